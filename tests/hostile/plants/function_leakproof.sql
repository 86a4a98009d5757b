-- A function that is leakproof, which only a superuser can say.
-- by: superuser
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql IMMUTABLE LEAKPROOF AS
$f$ BEGIN RETURN canary.sing('{place}'); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
