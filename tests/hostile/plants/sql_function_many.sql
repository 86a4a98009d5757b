-- A function in SQL of several statements.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $f$
    SELECT set_config('statement_timeout', '0', false);
    SELECT pg_read_file('{directory}/{place}.bait')
$f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
