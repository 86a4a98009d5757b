-- A trigger on a table's rows.
-- asks: INSERT INTO {place}.t (id) VALUES (1000)
-- twin: silent: a snapshot has no triggers
-- production: silent: twindex inserts nothing
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
$f$ BEGIN PERFORM canary.sing('{place}'); RETURN NEW; END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fired();
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a);
