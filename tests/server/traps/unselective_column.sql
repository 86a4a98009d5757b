-- Each of four values is that of a quarter of the rows; one that is found in order, or behind another key, is fine.
-- rows: 1000
-- expect: TX407 public.t_quarter
CREATE TABLE t (quarter integer, era integer, half integer, d integer);
INSERT INTO t SELECT i % 4, i / 5000, i % 2, i FROM generate_series(1, 20000) AS i;
CREATE INDEX t_quarter ON t (quarter);
CREATE INDEX t_era ON t (era);
CREATE INDEX t_half_d ON t (half, d);
