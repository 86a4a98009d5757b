-- The same inside a function of one SELECT, which keeps its body.
-- needs: libxml
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW w AS SELECT pg_read_file('{directory}/{place}.bait') AS done;
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT (table_to_xml('{place}.w'::regclass, true, false, ''))::text $f$;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = f();
