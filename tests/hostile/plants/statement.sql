-- A recorded statement that calls a function itself.
-- asks: SELECT * FROM {place}.t WHERE a = canary.quiet('{place}')
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = canary.quiet('{place}')
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
