-- Nothing has scanned it for a month. 1.4.
-- unused-size: 0
-- window: 30 days
-- expect: TX401 public.t_a
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a ON t (a);
