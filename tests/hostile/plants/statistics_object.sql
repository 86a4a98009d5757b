-- An expression of extended statistics: planning on the table folds it.
-- asks: SELECT * FROM {place}.t WHERE a = 5 AND b = 6
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5 AND b = 6
CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 500) AS i;
CREATE STATISTICS s ON (a + canary.quiet('{place}')), b FROM t;
