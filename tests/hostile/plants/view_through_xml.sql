-- A function of PostgreSQL's that is stable and runs a query: estimating reads a view, which no function of a user's is in.
-- needs: libxml
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW w AS SELECT pg_read_file('{directory}/{place}.bait') AS done;
CREATE VIEW v AS SELECT id, a FROM t WHERE a = table_to_xml('{place}.w'::regclass, true, false, '')::text;
