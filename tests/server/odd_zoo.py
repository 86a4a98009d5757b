"""A live schema with everything PostgreSQL has that is not a plain table, and statements that meet it."""

#: Needed by what is here; the rest comes with every server.
EXTENSIONS = ("pg_trgm", "btree_gist", "postgres_fdw")

TABLES = (
    'CREATE SCHEMA "Odd Schöma"',
    "CREATE SCHEMA odd",
    # Types
    "CREATE TYPE odd.mood AS ENUM ('sad', 'so ''so''', 'happy')",
    "CREATE DOMAIN odd.positive AS integer CHECK (VALUE > 0)",
    "CREATE DOMAIN odd.code AS varchar(12) COLLATE \"C\" NOT NULL DEFAULT 'x'",
    "CREATE TYPE odd.address AS (street text, number integer)",
    "CREATE TYPE odd.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi, MULTIRANGE_TYPE_NAME = odd.spans)",
    """CREATE TABLE odd.typed (
           id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood odd.mood, size odd.positive, code odd.code,
           home odd.address, span odd.span, seen tstzrange, moods odd.mood[], label varchar(20), initial char(3),
           net numeric(10, 2), gross numeric GENERATED ALWAYS AS (net * 1.2) STORED
       )""",
    # Names
    """CREATE TABLE "Odd Schöma"."Täble ""quoted"" %s" (
           "Ünïque ID" bigint PRIMARY KEY, "select" text, "with space" integer, "per%cent" integer
       )""",
    # Collations
    "CREATE COLLATION odd.own (PROVIDER = libc, LOCALE = 'C')",
    'CREATE TABLE odd.collated (id integer PRIMARY KEY, c text COLLATE "C", p text COLLATE "POSIX", o text)',
    # Inheritance
    "CREATE TABLE odd.animal (id integer PRIMARY KEY, name text NOT NULL, weight real)",
    "CREATE TABLE odd.dog (breed text, CHECK (weight > 1)) INHERITS (odd.animal)",
    "CREATE TABLE odd.cat (lives integer DEFAULT 9) INHERITS (odd.animal)",
    # Partitions of partitions, by every method
    "CREATE TABLE odd.event (at date NOT NULL, kind text NOT NULL, id bigint, body text) PARTITION BY RANGE (at)",
    """CREATE TABLE odd.event_2024 PARTITION OF odd.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
           PARTITION BY LIST (kind)""",
    "CREATE TABLE odd.event_2024_a PARTITION OF odd.event_2024 FOR VALUES IN ('a')",
    "CREATE TABLE odd.event_2024_rest PARTITION OF odd.event_2024 DEFAULT",
    """CREATE TABLE odd.event_rest PARTITION OF odd.event DEFAULT PARTITION BY HASH (id)""",
    "CREATE TABLE odd.event_rest_0 PARTITION OF odd.event_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE odd.event_rest_1 PARTITION OF odd.event_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    # Exclusion, deferred and cyclic foreign keys
    """CREATE TABLE odd.booking (
           room integer, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&)
       )""",
    """CREATE TABLE odd.chicken (id integer PRIMARY KEY, egg integer)""",
    """CREATE TABLE odd.egg (
           id integer PRIMARY KEY, chicken integer REFERENCES odd.chicken DEFERRABLE INITIALLY DEFERRED
       )""",
    "ALTER TABLE odd.chicken ADD FOREIGN KEY (egg) REFERENCES odd.egg NOT VALID",
    "CREATE UNLOGGED TABLE odd.fleeting (id integer, note text)",
    # Functions
    """CREATE FUNCTION odd.vat(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
       AS 'SELECT amount * 0.2'""",
    """CREATE FUNCTION odd.slow(value integer) RETURNS boolean LANGUAGE plpgsql STABLE COST 5000
       AS 'BEGIN RETURN value > 7; END'""",
    """CREATE FUNCTION odd.many(most integer) RETURNS SETOF integer LANGUAGE plpgsql STABLE ROWS 77
       AS 'BEGIN RETURN QUERY SELECT generate_series(1, most); END'""",
    # A foreign server that is never asked
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'elsewhere.invalid')",
    "CREATE FOREIGN TABLE odd.remote (id integer, note text) SERVER elsewhere",
    # Width
    f"CREATE TABLE odd.wide (id integer PRIMARY KEY, {', '.join(f'column_{n} smallint' for n in range(1, 1400))})",
    # Row security
    """CREATE TABLE odd.tenant_order (
           id integer PRIMARY KEY, tenant integer NOT NULL, secret boolean NOT NULL, total numeric
       )""",
    "ALTER TABLE odd.tenant_order ENABLE ROW LEVEL SECURITY",
    "CREATE RULE quiet AS ON DELETE TO odd.fleeting DO INSTEAD NOTHING",
    "CREATE POLICY own ON odd.tenant_order USING (tenant = current_setting('odd.tenant')::integer)",
    "CREATE POLICY open ON odd.tenant_order AS RESTRICTIVE FOR SELECT USING (NOT secret)",
)

ROWS = (
    """INSERT INTO odd.typed (mood, size, code, home, span, seen, moods, label, initial, net)
       SELECT (ARRAY['sad', 'so ''so''', 'happy']::odd.mood[])[1 + least(i % 7, 2)], 1 + i % 50, 'code' || i % 300,
              ROW('street ' || i % 40, i % 100)::odd.address, odd.span(i % 500, i % 500 + 1 + i % 9),
              tstzrange(timestamptz '2024-01-01+00' + i * interval '1 hour', NULL),
              ARRAY['sad', 'happy']::odd.mood[], 'label ' || i % 90, (i % 200)::text, i % 977
       FROM generate_series(1, 20000) AS i""",
    """INSERT INTO "Odd Schöma"."Täble ""quoted"" %s"
       SELECT i, 'größe ' || i % 50, i % 400, i FROM generate_series(1, 10000) AS i""",
    """INSERT INTO odd.collated SELECT i, 'c' || i % 3000, 'p' || i % 3000, 'o' || i % 3000
       FROM generate_series(1, 9000) AS i""",
    "INSERT INTO odd.animal SELECT i, 'animal ' || i, i % 90 FROM generate_series(1, 3000) AS i",
    "INSERT INTO odd.dog SELECT i, 'dog ' || i, 2 + i % 40, 'breed ' || i % 30 FROM generate_series(3001, 9000) AS i",
    "INSERT INTO odd.cat SELECT i, 'cat ' || i, 1 + i % 5 FROM generate_series(9001, 20000) AS i",
    """INSERT INTO odd.event
       SELECT date '2024-01-01' + i % 600, (ARRAY['a', 'b', 'c'])[1 + i % 3], i, md5(i::text)
       FROM generate_series(1, 30000) AS i""",
    """INSERT INTO odd.booking
       SELECT i % 20, tsrange(day, day + interval '1 day')
       FROM generate_series(1, 3000) AS i, LATERAL (SELECT timestamp '2024-01-01' + i * interval '1 day') AS d (day)""",
    "INSERT INTO odd.chicken SELECT i, NULL FROM generate_series(1, 1000) AS i",
    "INSERT INTO odd.egg SELECT i, 1 + i % 1000 FROM generate_series(1, 5000) AS i",
    "INSERT INTO odd.fleeting SELECT i, 'note ' || i FROM generate_series(1, 2000) AS i",
    "INSERT INTO odd.wide (id, column_1, column_1399) SELECT i, i % 7, i % 300 FROM generate_series(1, 4000) AS i",
    """INSERT INTO odd.tenant_order
       SELECT i, 1 + least(i % 40, 30), i % 10 = 0, i % 500 FROM generate_series(1, 20000) AS i""",
)

INDEXES = (
    "CREATE INDEX typed_mood ON odd.typed (mood, size)",
    "CREATE INDEX typed_code ON odd.typed (code)",
    "CREATE INDEX typed_street ON odd.typed (((home).street))",
    "CREATE INDEX typed_gross ON odd.typed (gross)",
    "CREATE INDEX typed_label ON odd.typed (label, initial)",
    "CREATE INDEX typed_home ON odd.typed (home)",
    'CREATE INDEX "Mixed ""Case"" 100%" ON "Odd Schöma"."Täble ""quoted"" %s" ("with space", "select")',
    'CREATE INDEX "Prozent" ON "Odd Schöma"."Täble ""quoted"" %s" ("per%cent")',
    "CREATE INDEX collated_c ON odd.collated (c)",
    "CREATE INDEX collated_p ON odd.collated (p text_pattern_ops)",
    'CREATE INDEX collated_o ON odd.collated (o COLLATE "C")',
    "CREATE INDEX dog_weight ON odd.dog (weight)",
    "CREATE INDEX cat_weight ON odd.cat (weight)",
    "CREATE UNIQUE INDEX dog_id ON odd.dog (id)",
    "CREATE INDEX event_id ON odd.event (id)",
    "CREATE INDEX wide_late ON odd.wide (column_1399)",
    "CREATE INDEX egg_chicken ON odd.egg (chicken)",
    "CREATE INDEX tenant_order_tenant ON odd.tenant_order (tenant, total)",
    # Views read the tables as they are by then.
    "CREATE VIEW odd.big_dog AS SELECT * FROM odd.dog WHERE weight > 30",
    "CREATE VIEW odd.big_breeds AS SELECT breed, count(*) AS dogs FROM odd.big_dog GROUP BY breed",
    "CREATE VIEW odd.barrier WITH (security_barrier) AS SELECT id, name FROM odd.animal WHERE weight < 5",
    "CREATE VIEW odd.lately AS SELECT * FROM odd.typed WHERE seen @> now()",
    """CREATE MATERIALIZED VIEW odd.summary WITH (fillfactor = 60) AS
       SELECT id, at, kind FROM odd.event WHERE id % 3 = 0""",
    "CREATE UNIQUE INDEX summary_id ON odd.summary (id)",
    "CREATE INDEX summary_at ON odd.summary (at)",
    "VACUUM ANALYZE",
)
#: Rows that no ANALYZE has seen: the indexes' ends are beyond the histograms'.
LATER_ROWS = (
    "INSERT INTO odd.event SELECT date '2025-09-01' + i % 30, 'a', 30000 + i, 'late' FROM generate_series(1, 900) AS i",
    "REFRESH MATERIALIZED VIEW odd.summary",
)
VIRTUAL = (
    """CREATE TABLE odd.virtual (
           id integer PRIMARY KEY, net integer, gross integer GENERATED ALWAYS AS (net * 12 / 10) VIRTUAL
       )""",
    "INSERT INTO odd.virtual (id, net) SELECT i, i % 500 FROM generate_series(1, 8000) AS i",
    "ANALYZE odd.virtual",
)

_QUOTED = '"Odd Schöma"."Täble ""quoted"" %s"'
STATEMENTS = {
    "enum": "SELECT id FROM odd.typed WHERE mood = 'sad' AND size = 7",
    "enum range": "SELECT id FROM odd.typed WHERE mood < 'happy' AND size < $1",
    "domain": "SELECT id FROM odd.typed WHERE code = 'code17'",
    "domain range": "SELECT id FROM odd.typed WHERE code BETWEEN 'code1' AND 'code11'",
    "attribute of a composite": "SELECT id FROM odd.typed WHERE (home).street = 'street 7'",
    "composite": "SELECT id FROM odd.typed WHERE home = ROW('street 7', 47)::odd.address",
    "varchar and char": "SELECT id FROM odd.typed WHERE label = 'label 7' AND initial = '7'",
    "generated column": "SELECT id FROM odd.typed WHERE gross > 1160",
    "array of enums": "SELECT count(*) FROM odd.typed WHERE moods @> ARRAY['sad']::odd.mood[]",
    "quoted names": f'SELECT "select" FROM {_QUOTED} WHERE "with space" = 17 AND "select" > \'größe 2\'',
    "quoted names, sorted": f'SELECT "Ünïque ID" FROM {_QUOTED} ORDER BY "with space", "select" LIMIT 5',
    "percent in a name": f'SELECT 1 FROM {_QUOTED} WHERE "per%cent" = $1',
    "C collation, prefix": "SELECT id FROM odd.collated WHERE c LIKE 'c17%'",
    "pattern operators": "SELECT id FROM odd.collated WHERE p LIKE 'p17%'",
    "collation of an index": "SELECT id FROM odd.collated WHERE o COLLATE \"C\" < 'o1234'",
    "inheritance": "SELECT name FROM odd.animal WHERE id = 5000",
    "inheritance, sorted": "SELECT name FROM odd.animal WHERE weight > 35 ORDER BY id LIMIT 10",
    "only the parent": "SELECT count(*) FROM ONLY odd.animal WHERE weight < 3",
    "child": "SELECT breed FROM odd.dog WHERE weight = 12 AND breed = $1",
    "excluded by a check": "SELECT name FROM odd.dog WHERE weight < 0.5",
    "partitions of partitions": "SELECT count(*) FROM odd.event WHERE at < '2024-03-01' AND kind = 'a'",
    "hash partition": "SELECT body FROM odd.event WHERE at = '2025-03-04' AND id = 428",
    "partitions by index": "SELECT body FROM odd.event WHERE id = $1",
    "beyond the partitions' histograms": "SELECT count(*) FROM odd.event WHERE id > 30500",
    "exclusion constraint": "SELECT 1 FROM odd.booking WHERE room = 7",
    "not validated foreign key": "SELECT count(*) FROM odd.chicken AS c JOIN odd.egg AS e ON c.egg = e.id",
    "foreign key join": "SELECT count(*) FROM odd.egg AS e JOIN odd.chicken AS c ON e.chicken = c.id WHERE c.id < 50",
    "unlogged": "SELECT note FROM odd.fleeting WHERE id = 5",
    "inlined function": "SELECT id FROM odd.typed WHERE odd.vat(net) > 100",
    "costly function": "SELECT id FROM odd.typed WHERE odd.slow(size)",
    "set of rows": "SELECT m FROM odd.many(5) AS m JOIN odd.typed AS t ON t.id = m",
    "view over a view": "SELECT dogs FROM odd.big_breeds WHERE breed = 'breed 7'",
    "security barrier": "SELECT name FROM odd.barrier WHERE id < 40 AND name LIKE '%1%'",
    "materialised view": "SELECT kind FROM odd.summary WHERE id = 2997",
    "materialised view, its last rows": "SELECT count(*) FROM odd.summary WHERE at > '2025-09-20'",
    "materialised view, beyond": "SELECT count(*) FROM odd.summary WHERE at > '2026-03-01' OR id < -5",
    "wide": "SELECT * FROM odd.wide WHERE column_1399 = 7",
    "wide, primary key": "SELECT column_1 FROM odd.wide WHERE id = $1",
}
CHANGES = {
    "update through a view": "UPDATE odd.big_dog SET name = 'x' WHERE id = 3500",
    "insert with identity": "INSERT INTO odd.typed (mood, code, label) VALUES ('sad', 'c', $1)",
    "insert into partitions": "INSERT INTO odd.event VALUES ($1, $2, $3, $4)",
    "delete from a tree": "DELETE FROM odd.animal WHERE weight > 88",
    "on conflict": f"""INSERT INTO {_QUOTED} VALUES (1, $1, 2, 3)
                       ON CONFLICT ("Ünïque ID") DO UPDATE SET "with space" = 9""",
}
#: With odd.tenant set to the most frequent tenant.
SECURED = {
    "row security": "SELECT id FROM odd.tenant_order WHERE total > 400",
    "row security, parameter": "SELECT id FROM odd.tenant_order WHERE total = $1",
    "row security, aggregate": "SELECT tenant, sum(total) FROM odd.tenant_order GROUP BY tenant",
    "row security, update": "UPDATE odd.tenant_order SET total = 0 WHERE id = $1",
}
RANGES = {
    "range of our own": "SELECT count(*) FROM odd.typed WHERE span && odd.span(100, 120)",
    "range, contains": "SELECT count(*) FROM odd.typed WHERE span @> 77.5::float8",
    "open range": "SELECT count(*) FROM odd.typed WHERE seen @> timestamptz '2024-06-01+00'",
}
VIRTUAL_STATEMENTS = {"virtual column": "SELECT id FROM odd.virtual WHERE gross = 120"}
