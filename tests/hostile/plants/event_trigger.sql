-- An event trigger, which only a superuser can make.
-- by: superuser
-- asks: SELECT * FROM {place}.t
-- twin: silent: a snapshot has no event triggers
-- production: silent: reading fires none
CREATE FUNCTION fired() RETURNS event_trigger LANGUAGE plpgsql AS
$f$ BEGIN IF current_user <> 'postgres' THEN PERFORM canary.sing('{place}'); END IF; END $f$;
CREATE TABLE t (id integer PRIMARY KEY, a integer);
CREATE EVENT TRIGGER {place} ON ddl_command_start EXECUTE FUNCTION fired();
