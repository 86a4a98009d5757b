-- An index's predicate that compares a column with what a function returns.
-- asks: SELECT * FROM {place}.t WHERE a = 5 AND b = {place}.f(1)
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5
CREATE FUNCTION f(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN canary.quiet('{place}'); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a) WHERE b = f(1);
