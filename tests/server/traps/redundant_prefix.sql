-- An index on the first column of another one. 1.2 A.
-- expect: TX403 public.t_a
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a ON t (a);
CREATE INDEX t_a_b ON t (a, b);
