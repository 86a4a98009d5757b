-- A function in SQL that reads a view, behind a column whose name makes FROM look like an operator's.
-- asks: SELECT * FROM {place}.u
-- unguarded: EXPLAIN SELECT * FROM {place}.u
CREATE VIEW v AS SELECT pg_read_file('{directory}/{place}.bait') AS x;
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $f$ SELECT x AS distinct FROM {place}.v $f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW u AS SELECT id, a FROM t WHERE a = f();
