-- A policy whose function has an index of its own taken for one of pg_class: whoever reads that next would fold its predicate.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- production: silent: a superuser is above row security, and there is no such procedure
CREATE TABLE seed (o oid, n integer);
CREATE INDEX seed_planted ON seed (o) WHERE canary.quiet('{place}') = 1;
CREATE FUNCTION climb() RETURNS integer LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    mine oid := '{place}.seed_planted'::regclass;
BEGIN
    INSERT INTO twindex_own.places VALUES (mine, 1259) ON CONFLICT (index_oid) DO UPDATE SET table_oid = 1259;
    CALL twindex_own.place(ARRAY[mine], ARRAY[true]);
    CALL twindex_own.place(ARRAY[mine], ARRAY[false]);
    RETURN 1;
EXCEPTION WHEN OTHERS THEN
    RETURN 1;
END
$f$;
CREATE FUNCTION quiet() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN RETURN {place}.climb(); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t USING (quiet() = 1);
