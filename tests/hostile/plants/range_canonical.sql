-- What makes a range canonical takes a type that is not finished, which no procedural language does.
-- by: superuser
-- refused: cannot (accept|return)|shell
CREATE TYPE span;
CREATE FUNCTION canonical(span) RETURNS span LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN PERFORM canary.sing('{place}'); RETURN $1; END $f$;
CREATE TYPE span AS RANGE (SUBTYPE = integer, CANONICAL = canonical);
