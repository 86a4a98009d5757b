-- INCLUDE counts: what another one does not have is missed. 1.5, pg_sage 29.
-- expect: TX403 public.t_a_with_b
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_a_with_c ON t (a) INCLUDE (c);
CREATE INDEX t_a_with_b ON t (a) INCLUDE (b);
CREATE INDEX t_a_b_d ON t (a, b, d);
