-- A column's default: planning an INSERT folds it, an INSERT that names no value runs it.
-- asks: INSERT INTO {place}.t (id) VALUES (1000)
-- unguarded: EXPLAIN INSERT INTO {place}.t (id) VALUES (1000)
CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer DEFAULT canary.quiet('{place}'));
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
