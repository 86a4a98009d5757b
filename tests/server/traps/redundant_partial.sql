-- The same partial index twice; another predicate is another index. 1.2 G.
-- expect: TX402 public.t_part_again
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_part ON t (a) WHERE b > 3;
CREATE INDEX t_part_again ON t (a) WHERE (b > 3);
CREATE INDEX t_part_other ON t (a) WHERE b > 2;
CREATE INDEX t_whole ON t (a, d);
