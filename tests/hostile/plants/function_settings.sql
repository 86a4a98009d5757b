-- A function's own settings, which take the time limit and the path away.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql IMMUTABLE
    SET statement_timeout = 0 SET search_path = {place}, public SET row_security = off AS
$f$ BEGIN RETURN canary.sing('{place}'); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
