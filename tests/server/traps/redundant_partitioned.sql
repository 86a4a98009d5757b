-- Indexes of a partitioned table are reported at its root, once. 1.3, 1.4.
-- expect: TX403 public.p_a
CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (b);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (0) TO (10);
CREATE INDEX "named otherwise" ON p1 (a);
CREATE INDEX p_a ON p (a);
CREATE INDEX p_a_b ON p (a, b);
