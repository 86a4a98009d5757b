-- An operator class's support function, which only a superuser can declare.
-- by: superuser
-- asks: SELECT * FROM {place}.t WHERE a > 5 ORDER BY a
-- twin: silent: planning compares by the default operator class, and the index on the twin has no rows
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a OPERATOR({place}.<<<) 5
CREATE FUNCTION compare(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN PERFORM canary.quiet('{place}'); RETURN btint4cmp($1, $2); END $f$;
CREATE FUNCTION before(integer, integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN PERFORM canary.quiet('{place}'); RETURN $1 < $2; END $f$;
CREATE OPERATOR <<< (FUNCTION = before, LEFTARG = integer, RIGHTARG = integer, RESTRICT = scalarltsel);
CREATE OPERATOR CLASS c FOR TYPE integer USING btree AS
    OPERATOR 1 <<<, OPERATOR 3 =, OPERATOR 5 >, FUNCTION 1 compare(integer, integer);
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a c);
ANALYZE t;
