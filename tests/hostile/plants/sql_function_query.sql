-- A function in SQL that hands text to one of PostgreSQL's that runs it.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE FUNCTION g() RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT ts_rewrite('a'::tsquery, 'SELECT canary.sing(''{place}'')::text::tsquery, ''b''::tsquery')::text $f$;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = g();
