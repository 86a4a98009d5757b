-- A table's check: planning on a child of the table folds it, to exclude the child.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5
CREATE TABLE t (id integer PRIMARY KEY, a integer);
CREATE TABLE u (CHECK (a > -canary.quiet('{place}'))) INHERITS (t);
INSERT INTO u SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON u (a);
