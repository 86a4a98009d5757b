-- An aggregate: only execution runs it.
-- asks: SELECT {place}.loud(a) FROM {place}.t
-- twin: silent: planning runs no aggregate
-- production: silent: planning runs none
CREATE FUNCTION step(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN canary.sing('{place}'); END $f$;
CREATE AGGREGATE loud(integer) (SFUNC = step, STYPE = integer, INITCOND = '0');
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
