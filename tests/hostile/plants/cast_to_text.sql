-- A cast to text: whoever prints values by one runs it.
-- asks: SELECT * FROM {place}.t WHERE mood::text = 'low'
-- twin: silent: planning folds no cast of a row
-- unguarded: SELECT min(mood)::text FROM {place}.t
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE FUNCTION told(mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN PERFORM canary.sing('{place}'); RETURN 'x'; END $f$;
CREATE CAST (mood AS text) WITH FUNCTION told(mood) AS ASSIGNMENT;
CREATE TABLE t (id integer PRIMARY KEY, mood mood);
INSERT INTO t SELECT i, (ARRAY['low', 'high'])[1 + i % 2]::mood FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (mood);
