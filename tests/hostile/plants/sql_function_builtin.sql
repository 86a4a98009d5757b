-- A function in SQL of one SELECT that calls what PostgreSQL has, by a name with escapes.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT U&"pg\005fread_file"('{directory}/{place}.bait') $f$;
CREATE FUNCTION g() RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT "pg_read_file"('{directory}/{place}.bait') $f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f() OR a = g();
