-- A function in SQL of one SELECT that calls one of an extension's, stable, which runs text.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE EXTENSION tablefunc SCHEMA {place};
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $f$
    SELECT c.a FROM {place}.crosstab('SELECT 1, 2, pg_read_file(''{directory}/{place}.bait'')') AS c (i integer, a text)
$f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
