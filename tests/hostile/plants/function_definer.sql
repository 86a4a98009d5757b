-- A function with its owner's rights: in a twin its owner is who built it.
-- asks: SELECT * FROM {place}.v
-- production: silent: it has its owner's rights, the attacker's
CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS
$f$ BEGIN RETURN canary.sing('{place}'); END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
