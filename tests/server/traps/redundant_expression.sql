-- The same expression twice, written with another space. 1.2 F.
-- expect: TX402 public.t_lower_again
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_lower ON t (lower(c));
CREATE INDEX t_lower_again ON t ( lower( c ) );
