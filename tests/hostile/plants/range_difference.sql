-- How a range type subtracts two bounds: estimating with a histogram calls it.
-- asks: SELECT * FROM {place}.t WHERE period && '[5,9)'::{place}.span
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE period && '[5,9)'::{place}.span
CREATE FUNCTION difference(integer, integer) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN canary.quiet('{place}') + $1 - $2; END $f$;
CREATE TYPE span AS RANGE (SUBTYPE = integer, SUBTYPE_DIFF = {place}.difference);
CREATE TABLE t (id integer PRIMARY KEY, period span);
INSERT INTO t SELECT i, span(i, i + i % 9 + 1) FROM generate_series(1, 500) AS i;
CREATE INDEX ON t USING gist (period);
