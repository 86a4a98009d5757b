-- What would take its place is INVALID. 1.2 I.
-- expect: TX404 public.t_a_b
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a ON t (a);
-- fails: CREATE UNIQUE INDEX CONCURRENTLY t_a_b ON t (a, b)
