-- A readable shop whose tables stand for larger ones: sentences.py multiplies their rows.
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gin;
CREATE EXTENSION btree_gist;
CREATE EXTENSION hstore;
CREATE EXTENSION ltree;
CREATE EXTENSION intarray;
CREATE EXTENSION citext;
CREATE EXTENSION vector;
CREATE DOMAIN email_address AS varchar(80);
CREATE TYPE mood AS ENUM ('calm', 'busy', 'angry');

CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL);
INSERT INTO countries SELECT chr(65 + i / 26) || chr(65 + i % 26), 'country ' || i FROM generate_series(0, 39) AS i;

CREATE TABLE customers (
    id integer PRIMARY KEY, email email_address NOT NULL UNIQUE, login citext NOT NULL, name text NOT NULL,
    country char(2) NOT NULL REFERENCES countries, segment text NOT NULL, phone text, address inet, is_vip boolean NOT NULL,
    referrer_id integer, settings jsonb NOT NULL, labels hstore, joined_at timestamptz NOT NULL, deleted_at timestamptz,
    about text);
INSERT INTO customers
SELECT i, 'user' || i || '@example.com', 'Login' || i, 'Name ' || md5(i::text),
       (SELECT c.code FROM countries AS c ORDER BY c.code OFFSET (i * 7) % 40 LIMIT 1), 'segment ' || i % 12,
       CASE WHEN i % 3 = 0 THEN '+49' || 1000000 + i * 77 END, '10.0.0.0'::inet + (i * 61) % 60000, i % 100 = 0,
       CASE WHEN i % 20 = 0 THEN i / 2 END, jsonb_build_object('theme', 'theme ' || i % 900, 'beta', i % 50 = 0),
       hstore('source', 's' || i % 400), timestamptz '2020-01-01' + i * interval '3 hours',
       CASE WHEN i % 50 = 0 THEN timestamptz '2024-01-01' + i * interval '1 minute' END, repeat('about ', 100)
FROM generate_series(1, 4000) AS i;

CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, sales_rep integer NOT NULL,
    status text NOT NULL, region text NOT NULL, currency char(3) NOT NULL, total numeric(12, 2) NOT NULL,
    created_at timestamptz NOT NULL, placed_at timestamp NOT NULL, shipped_at timestamptz, deleted_at timestamptz,
    is_paid boolean NOT NULL, coupon text, priority smallint NOT NULL, tracking text, note text NOT NULL);
INSERT INTO orders
SELECT i, (i * 7919) % 4000 + 1, (i * 31) % 500,
       CASE WHEN i % 200 = 0 THEN 'failed' WHEN i % 20 = 1 THEN 'open' WHEN i % 10 = 3 THEN 'packed' ELSE 'done' END,
       'region ' || (i * 13) % 10, (ARRAY['EUR', 'USD', 'GBP'])[1 + i % 3], ((i * 7907) % 100000) / 10.0,
       timestamptz '2024-01-01' + i * interval '10 minutes', timestamp '2024-01-01' + i * interval '10 minutes',
       CASE WHEN i % 10 > 0 THEN timestamptz '2024-01-02' + i * interval '10 minutes' END,
       CASE WHEN i % 100 = 7 THEN timestamptz '2024-06-01' + i * interval '10 minutes' END, i % 20 > 0,
       CASE WHEN i % 25 = 0 THEN 'coupon ' || i % 600 END, i % 5, md5((i * 3)::text), repeat('n', 60)
FROM generate_series(1, 40000) AS i;

CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, line smallint NOT NULL, product_id integer NOT NULL,
    quantity integer NOT NULL, price numeric(10, 2) NOT NULL, PRIMARY KEY (order_id, line));
INSERT INTO order_items
SELECT i, line, (i * 17 + line * 911) % 5000 + 1, i % 9 + 1, (i % 700) / 7.0
FROM generate_series(1, 40000) AS i, generate_series(1, 2) AS line;

CREATE TABLE products (
    id integer PRIMARY KEY, sku text NOT NULL UNIQUE, name text NOT NULL, brand text NOT NULL, category ltree NOT NULL,
    price numeric(10, 2) NOT NULL, rating real, is_active boolean NOT NULL, attributes jsonb NOT NULL,
    tags text[] NOT NULL, part_numbers integer[] NOT NULL, labels hstore NOT NULL, stock int4range NOT NULL,
    embedding vector(16), image bit(64), description text NOT NULL, search tsvector NOT NULL,
    added_at timestamp NOT NULL);
INSERT INTO products
SELECT i, 'SKU-' || i, 'product ' || md5((i * 5)::text), 'brand ' || (i * 11) % 300,
       ('shop.c' || i % 20 || '.d' || i % 400)::ltree, (i * 37) % 9000 / 10.0, (i % 50) / 10.0, i % 10 > 0,
       jsonb_build_object('color', 'color ' || i % 400, 'size', i % 60, 'maker', jsonb_build_object('name', 'm' || i % 90)),
       ARRAY['tag ' || i % 300, 'tag ' || (i * 7) % 900], ARRAY[i, i * 3 % 4000], hstore('season', 's' || i % 500),
       int4range(i, i + 5),
       (SELECT array_agg(sin(i * k))::real[] FROM generate_series(1, 16) AS k)::vector, (i * 7919)::bit(64),
       'a ' || md5(i::text) || ' of ' || md5((i * 2)::text), to_tsvector('simple', md5(i::text) || ' word' || i % 700),
       timestamp '2021-01-01' + i * interval '2 hours'
FROM generate_series(1, 5000) AS i;

-- Appended to and never changed: it lies in the order of its time.
CREATE TABLE events (
    id bigint NOT NULL, customer_id integer NOT NULL, kind text NOT NULL, tenant smallint NOT NULL, level mood NOT NULL,
    occurred_at timestamp NOT NULL, day date NOT NULL, device uuid NOT NULL, address inet NOT NULL, url text NOT NULL,
    payload jsonb NOT NULL);
INSERT INTO events
SELECT i, (i * 101) % 4000 + 1, 'kind ' || (i * 3) % 25, (i * 7) % 4, (ARRAY['calm', 'busy', 'angry'])[1 + i % 3]::mood,
       timestamp '2025-01-01' + i * interval '1 second', date '2025-01-01' + i / 500, md5((i % 20000)::text)::uuid,
       '10.0.0.0'::inet + (i * 37) % 30000, 'https://example.com/' || md5((i * 9)::text) || '/' || repeat('p', 60),
       jsonb_build_object('user', 'u' || i % 5000, 'ms', i % 800)
FROM generate_series(1, 50000) AS i;

CREATE TABLE documents (
    id integer PRIMARY KEY, owner_id integer NOT NULL REFERENCES customers, parent_id integer REFERENCES documents,
    title text NOT NULL, body text NOT NULL, state text NOT NULL, valid tstzrange NOT NULL, search tsvector NOT NULL,
    edited_at timestamp NOT NULL, deleted_at timestamptz, token text NOT NULL);
INSERT INTO documents
SELECT i, (i * 53) % 4000 + 1, CASE WHEN i > 10 THEN i / 10 END, 'title ' || md5(i::text),
       (SELECT string_agg(md5((i * k)::text), ' ') FROM generate_series(1, 12) AS k),
       CASE WHEN i % 40 = 0 THEN 'draft' ELSE 'final' END,
       tstzrange(timestamptz '2024-01-01' + i * interval '1 hour', timestamptz '2024-01-03' + i * interval '1 hour'),
       to_tsvector('simple', md5(i::text) || ' topic' || i % 500), timestamp '2024-01-01' + i * interval '1 hour',
       CASE WHEN i % 30 = 0 THEN timestamptz '2024-05-01' END, repeat(md5((i * 13)::text), 8)
FROM generate_series(1, 8000) AS i;

CREATE TABLE bookings (
    id integer PRIMARY KEY, room integer NOT NULL, guest_id integer NOT NULL, during tsrange NOT NULL,
    starts_on date NOT NULL, ends_on date NOT NULL, spot point NOT NULL, area box NOT NULL);
INSERT INTO bookings
SELECT i, (i * 7) % 200, (i * 19) % 4000 + 1, tsrange(timestamp '2024-01-01' + i * interval '1 hour',
       timestamp '2024-01-02' + i * interval '1 hour'), date '2024-01-01' + i / 24, date '2024-01-03' + i / 24,
       point((i * 37) % 1000, (i * 91) % 1000), box(point(i % 900, i % 700), point(i % 900 + 5, i % 700 + 5))
FROM generate_series(1, 10000) AS i;

-- Changed all the time: none of its pages is marked all-visible.
CREATE TABLE carts (
    id integer PRIMARY KEY, customer_id integer NOT NULL, session text NOT NULL, state text NOT NULL,
    touched_at timestamptz NOT NULL, total numeric(10, 2) NOT NULL);
CREATE INDEX carts_customer ON carts (customer_id);
CREATE INDEX carts_state_touched ON carts (state, touched_at);

-- Partitioned by time.
CREATE TABLE readings (sensor integer NOT NULL, taken_at timestamp NOT NULL, value real NOT NULL)
PARTITION BY RANGE (taken_at);
CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM ('2024-07-01') TO ('2025-01-01');
INSERT INTO readings SELECT (i * 17) % 2500, timestamp '2024-01-01' + i * interval '15 minutes', i % 70
FROM generate_series(1, 30000) AS i;

CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open' AND deleted_at IS NULL;
CREATE VIEW sales AS
SELECT o.id, o.customer_id, o.region, o.created_at, i.product_id, i.quantity * i.price AS amount
FROM orders AS o JOIN order_items AS i ON i.order_id = o.id;
CREATE FUNCTION orders_of(customer integer) RETURNS SETOF orders LANGUAGE sql STABLE
AS 'SELECT * FROM orders WHERE customer_id = customer';

-- ANALYZE sees thousands of what are hundreds of thousands.
ALTER TABLE orders ALTER COLUMN customer_id SET (n_distinct = -0.1);
ALTER TABLE events ALTER COLUMN customer_id SET (n_distinct = -0.02);
ALTER TABLE events ALTER COLUMN device SET (n_distinct = -0.4);
VACUUM ANALYZE;

INSERT INTO carts
SELECT i, (i * 29) % 4000 + 1, md5(i::text), CASE WHEN i % 30 = 0 THEN 'left' ELSE 'paid' END,
       timestamptz '2025-01-01' + i * interval '1 minute', i % 900
FROM generate_series(1, 20000) AS i;
ANALYZE carts;
