-- A function in SQL of one value that calls one of many rows, which the planner may put into a query.
-- asks: SELECT * FROM {place}.u
-- unguarded: EXPLAIN SELECT * FROM {place}.u
CREATE VIEW v AS SELECT pg_read_file('{directory}/{place}.bait') AS x;
CREATE FUNCTION rows() RETURNS SETOF text LANGUAGE sql STABLE AS $f$ SELECT x FROM {place}.v $f$;
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $f$ SELECT {place}.rows() $f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW u AS SELECT id, a FROM t WHERE a = f();
