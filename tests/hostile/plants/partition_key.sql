-- An expression of a partition key: opening the table folds it.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5
CREATE TABLE t (id integer, a integer) PARTITION BY RANGE ((a + canary.quiet('{place}')));
CREATE TABLE u PARTITION OF t FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE v PARTITION OF t DEFAULT;
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a);
