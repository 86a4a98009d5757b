-- The one that takes the place of another is unused itself, and stays. Row 3 of 1.1.
-- unused-size: 0
-- window: 30 days
-- expect: TX403 public.t_a
-- then: TX401 public.t_a_b
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a ON t (a);
CREATE INDEX t_a_b ON t (a, b);
