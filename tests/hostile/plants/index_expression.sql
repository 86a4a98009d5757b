-- An index's expression over a column: inserting a row computes it.
-- asks: SELECT * FROM {place}.t WHERE {place}.f(a) = 5
-- unguarded: SELECT {place}.f(a) FROM {place}.t LIMIT 1
CREATE FUNCTION f(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN $1 + canary.quiet('{place}'); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (f(a));
