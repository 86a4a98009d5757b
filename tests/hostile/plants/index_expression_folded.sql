-- An index's expression with a part that is constant: planning on the table folds it.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t ((a + canary.quiet('{place}')));
