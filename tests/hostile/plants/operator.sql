-- An operator with a selectivity function: planning folds it between constants, and estimating calls it on values.
-- asks: SELECT * FROM {place}.t WHERE a OPERATOR({place}.===) 5
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a OPERATOR({place}.===) 5
CREATE FUNCTION same(integer, integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN canary.quiet('{place}') = 1 AND $1 = $2; END $f$;
CREATE OPERATOR === (
    FUNCTION = same, LEFTARG = integer, RIGHTARG = integer, COMMUTATOR = ===, RESTRICT = eqsel, JOIN = eqjoinsel
);
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a) WHERE 1 OPERATOR({place}.===) 1;
