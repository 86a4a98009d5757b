-- A btree is read backwards as well: a unique index finds all that one in the other direction finds. 1.2 J.
-- expect: TX402 public.t_d_desc
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_d_desc ON t (d DESC);
CREATE UNIQUE INDEX t_d ON t (d);
