-- The longer index of a partitioned table is ON ONLY it, so that no partition has it. 1.2 I.
-- expect: TX419 public.p_a_b
-- then: TX403 public.p_a
CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE INDEX p_a ON p (a);
CREATE INDEX p_a_b ON ONLY p (a, b);
