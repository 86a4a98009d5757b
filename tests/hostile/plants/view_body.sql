-- A view's body: planning a statement that reads the view folds it.
-- asks: SELECT * FROM {place}.v
-- unguarded: EXPLAIN SELECT * FROM {place}.v
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE VIEW v AS SELECT id, a, canary.quiet('{place}') AS q FROM t;
