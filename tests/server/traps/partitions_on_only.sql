-- ON ONLY the table, with one partition that has an index to attach, and one in a partition of its own. 1.1 row 33.
-- expect: TX419 public.p_a
CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (b);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (0) TO (10);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30);
CREATE INDEX p_a ON ONLY p (a);
CREATE INDEX p2_a ON p2 (a);
ALTER INDEX p_a ATTACH PARTITION p2_a;
CREATE INDEX own ON p1 (a);
