-- The same with a body of the SQL standard.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT canary.sing('{place}'); END;
CREATE FUNCTION g() RETURNS integer LANGUAGE sql IMMUTABLE RETURN f();
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = g();
