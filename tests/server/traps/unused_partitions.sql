-- A cold partition's index is part of one that is used; of an unused tree the root is reported. 1.4.
-- unused-size: 0
-- window: 30 days
-- expect: TX401 public.p_b
CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i % 20, i FROM generate_series(1, 5000) AS i;
CREATE INDEX p_a_b ON p (a, b);
CREATE INDEX p_b ON p (b);
SET enable_seqscan = off;
SELECT count(*) FROM p WHERE a = 3 AND b = 23;
