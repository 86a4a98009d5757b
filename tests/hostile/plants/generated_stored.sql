-- A stored generated column: to make it folds its expression, an INSERT computes it, and no plan holds it.
-- asks: SELECT * FROM {place}.t WHERE b = 5
-- asks: INSERT INTO {place}.t (id) VALUES (1000)
-- production: silent: twindex inserts nothing
CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a + canary.quiet('{place}')) STORED);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (b);
