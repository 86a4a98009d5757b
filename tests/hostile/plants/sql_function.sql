-- A function in SQL that says it is immutable and calls one that is not.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS integer LANGUAGE sql IMMUTABLE AS $f$ SELECT canary.sing('{place}') $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
