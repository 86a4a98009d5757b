-- A boolean that is almost always false: the others may have a partial index. 1.1 row 13.
-- rows: 1000
-- expect: TX407 public.t_done info
CREATE TABLE t (done boolean, half boolean, d integer);
INSERT INTO t SELECT i % 100 = 0, i % 20 = 0, i FROM generate_series(1, 20000) AS i;
CREATE INDEX t_done ON t (done);
CREATE INDEX t_done_rare ON t (d) WHERE done;
