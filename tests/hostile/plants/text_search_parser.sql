-- A text search parser takes functions on the server's own memory, which no procedural language can be.
-- by: superuser
-- refused: cannot (accept|return)
CREATE FUNCTION begun(internal, integer) RETURNS internal LANGUAGE plpgsql AS
$f$ BEGIN PERFORM canary.sing('{place}'); RETURN $1; END $f$;
