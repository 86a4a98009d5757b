-- Columns of every kind that a special access method serves; text sorts by a language, which has no prefixes.
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gin;
CREATE EXTENSION btree_gist;
CREATE EXTENSION hstore;
CREATE EXTENSION ltree;
CREATE EXTENSION intarray;
CREATE EXTENSION citext;
CREATE EXTENSION cube;
CREATE EXTENSION vector;
CREATE EXTENSION bloom;
CREATE COLLATION german (provider = libc, locale = 'C.UTF-8');
CREATE DOMAIN tag_list AS text[];
CREATE DOMAIN settings AS jsonb;
CREATE DOMAIN label AS varchar(80) COLLATE german;
CREATE TYPE mood AS ENUM ('calm', 'busy', 'angry');
CREATE TYPE home AS (city text COLLATE german, zip text COLLATE "C");
CREATE TYPE float_span AS RANGE (subtype = float8);

CREATE FUNCTION squeezed(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql
AS 'BEGIN RETURN replace(lower(value), '' '', ''''); END';
CREATE FUNCTION halved(value bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT value / 2';
CREATE FUNCTION md5(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION cut(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION cut(value varchar, length integer DEFAULT 1) RETURNS text STABLE LANGUAGE plpgsql
AS 'BEGIN RETURN value; END';
CREATE FUNCTION glued(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION glued(VARIADIC of varchar[]) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN of[1]; END';
CREATE SCHEMA apart;
CREATE COLLATION apart."C" (provider = libc, locale = 'C.UTF-8');
CREATE FUNCTION apart.squeezed(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION nvl(value text, other text) RETURNS text IMMUTABLE LANGUAGE plpgsql
AS 'BEGIN RETURN coalesce(value, other); END';
CREATE FUNCTION stamped(value text) RETURNS text STABLE LANGUAGE sql AS 'SELECT value || current_date';

CREATE FUNCTION since(value integer, day date) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION tagged(value integer, tag text) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION shortened(value text, length integer DEFAULT 1) RETURNS text IMMUTABLE LANGUAGE plpgsql
AS 'BEGIN RETURN value; END';
CREATE FUNCTION coded(value label) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN value; END';
CREATE FUNCTION pair(value integer, OUT a integer, OUT b integer) IMMUTABLE LANGUAGE plpgsql AS 'BEGIN a = value; END';

CREATE TABLE items (
    id integer PRIMARY KEY, shop integer NOT NULL, kind text NOT NULL, name text COLLATE german NOT NULL,
    code label NOT NULL, fixed char(12) COLLATE german NOT NULL, plain text COLLATE "C" NOT NULL, login citext NOT NULL,
    tags tag_list NOT NULL, names varchar(20)[] NOT NULL, moods mood[] NOT NULL, numbers integer[] NOT NULL,
    counters bigint[] NOT NULL, document settings NOT NULL, extra jsonb NOT NULL, note json NOT NULL,
    labels hstore NOT NULL, path ltree NOT NULL, search tsvector NOT NULL, body text COLLATE german NOT NULL,
    summary text COLLATE german, token text NOT NULL, digest bytea NOT NULL, owner xid NOT NULL);
INSERT INTO items
SELECT i, i % 400, 'kind ' || i % 9, 'name ' || md5(i::text), md5((i * 3)::text), left(md5((i * 5)::text), 12),
       md5((i * 7)::text), 'Login' || i, ARRAY['t' || i % 300, 't' || (i * 7) % 800],
       ARRAY['n' || i % 300, 'n' || (i * 7) % 800], ARRAY[(ARRAY['calm', 'busy', 'angry'])[1 + i % 3]]::mood[],
       ARRAY[i, i * 3 % 4000], ARRAY[i, i * 3 % 4000], jsonb_build_object('color', 'c' || i % 500, 'size', i % 60),
       jsonb_build_object('parts', jsonb_build_array(i % 700, i % 90)), '{}', hstore('season', 's' || i % 500),
       ('shop.c' || i % 40 || '.d' || i % 900)::ltree, to_tsvector('simple', md5(i::text) || ' word' || i % 700),
       'a ' || md5(i::text) || ' of ' || md5((i * 2)::text), 'summary ' || i % 900, repeat(md5((i * 13)::text), 8),
       sha256(i::text::bytea), i::text::xid
FROM generate_series(1, 4000) AS i;

CREATE TABLE places (
    id integer PRIMARY KEY, room integer NOT NULL, kind text NOT NULL, during tstzrange NOT NULL,
    prices numrange NOT NULL, spans int4multirange NOT NULL, heat float_span NOT NULL, spot point NOT NULL,
    area box NOT NULL, outline polygon NOT NULL, ring circle NOT NULL, address inet NOT NULL, network cidr NOT NULL,
    colour cube NOT NULL, score double precision NOT NULL, opened date NOT NULL, points point[] NOT NULL,
    owner home NOT NULL);
INSERT INTO places
SELECT i, i % 300, 'kind ' || i % 5, tstzrange(timestamptz '2024-01-01' + i * interval '1 hour',
       timestamptz '2024-01-02' + i * interval '1 hour'), numrange(i % 977, i % 977 + 2),
       int4multirange(int4range(i, i + 5), int4range(i + 9000, i + 9005)), float_span(i % 977, i % 977 + 2),
       point((i * 37) % 1000, (i * 91) % 1000), box(point(i % 900, i % 700), point(i % 900 + 5, i % 700 + 5)),
       polygon(box(point(i % 900, i % 700), point(i % 900 + 5, i % 700 + 5))), circle(point(i % 900, i % 700), 3),
       '10.0.0.0'::inet + (i * 61) % 60000, network(set_masklen('10.0.0.0'::inet + (i * 61) % 60000, 28)),
       cube(ARRAY[(i * 7) % 255, (i * 11) % 255, (i * 13) % 255]::float8[]), (i * 7919) % 100000 / 7.0,
       date '2020-01-01' + (i * 17) % 2000, ARRAY[point(i % 900, i % 700)],
       ROW('city ' || i % 900, 'zip ' || i % 90)::home
FROM generate_series(1, 4000) AS i;

CREATE TABLE vectors (
    id integer PRIMARY KEY, kind text NOT NULL, small vector(8) NOT NULL, large vector(2100), half halfvec(8) NOT NULL,
    sparse sparsevec(1000) NOT NULL, bits bit(64) NOT NULL, loose vector, few_rows integer NOT NULL);
INSERT INTO vectors (id, kind, small, half, sparse, bits, loose, few_rows)
SELECT i, 'kind ' || i % 5, v::vector, v::vector::halfvec, ('{1:' || i || ',' || i % 900 + 2 || ':1}/1000')::sparsevec,
       (i * 7919)::bit(64), v::vector, i
FROM generate_series(1, 3000) AS i,
     LATERAL (SELECT array_agg(sin(i * k))::real[] AS v FROM generate_series(1, 8) AS k) AS made;

-- Vectors of many dimensions, of a few kinds that differ in how many rows have them, and of many tenants.
CREATE TABLE pictures (
    id integer PRIMARY KEY, kind text NOT NULL, tenant integer NOT NULL, wide vector(1900) NOT NULL,
    huge vector(2100) NOT NULL, short vector(3) NOT NULL);
INSERT INTO pictures
SELECT i, CASE WHEN i % 10 < 7 THEN 'image' WHEN i % 10 < 9 THEN 'video' ELSE 'audio' END,
       CASE WHEN i % 5 = 0 THEN 1 ELSE i END, array_fill(i::real, ARRAY[1900])::vector,
       array_fill(i::real, ARRAY[2100])::vector, ARRAY[i % 7, i % 11, i % 13]::vector
FROM generate_series(1, 600) AS i;

-- Appended to: some columns follow the order of the rows, one does for the most part, others do not.
CREATE TABLE log (
    id bigint NOT NULL, at timestamp NOT NULL, late timestamp NOT NULL, source inet NOT NULL, period tstzrange NOT NULL,
    device uuid NOT NULL, level integer NOT NULL, same integer NOT NULL, url text NOT NULL);
INSERT INTO log
SELECT i, timestamp '2025-01-01' + i * interval '1 second',
       timestamp '2025-01-01' + CASE WHEN i % 10 = 0 THEN (i * 7919) % 40000 ELSE i END * interval '1 second',
       '10.0.0.0'::inet + i, tstzrange(timestamptz '2025-01-01' + i * interval '1 second',
       timestamptz '2025-01-01' + (i + 9) * interval '1 second'),
       (CASE WHEN i % 3 = 0 THEN lpad(to_hex(i::bigint * 107000), 8, '0') || left(md5(i::text), 24)
             ELSE md5(i::text) END)::uuid, (i * 7) % 5, 1,
       'https://example.com/' || md5((i * 9)::text) || repeat('p', 200)
FROM generate_series(1, 40000) AS i;

-- A search form: any of its fields.
CREATE TABLE forms (
    id integer PRIMARY KEY, maker integer NOT NULL, colour integer NOT NULL, shape text NOT NULL, grade text NOT NULL,
    year integer NOT NULL, padding text NOT NULL);
INSERT INTO forms
SELECT i, i % 90, (i / 7) % 70, 'shape ' || (i / 3) % 80, 'grade ' || (i / 11) % 60, (i / 13) % 50, repeat('x', 300)
FROM generate_series(1, 4000) AS i;

ALTER TABLE log ALTER COLUMN device SET (n_distinct = -1);
ALTER TABLE log ALTER COLUMN at SET (n_distinct = -1);
VACUUM ANALYZE
