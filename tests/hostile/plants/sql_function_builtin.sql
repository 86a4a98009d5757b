-- A function in SQL of one SELECT that calls what PostgreSQL has, by a name with escapes.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS integer LANGUAGE sql IMMUTABLE AS
$f$ SELECT U&"lo\005fexport"(lo_from_bytea(0, 'x'), '{directory}/{place}.object') $f$;
CREATE FUNCTION g() RETURNS integer LANGUAGE sql IMMUTABLE AS
$f$ SELECT "lo_export"(lo_from_bytea(0, 'x'), '{directory}/{place}.object') $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f() OR a = g();
