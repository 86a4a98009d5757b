-- Nobody knows since when scans are counted. 1.4.
-- unused-size: 0
-- window: unknown
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a ON t (a);
