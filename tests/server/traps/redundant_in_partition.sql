-- An index of one partition alone, beside that of the partitioned table.
-- expect: TX402 public.p1_again
CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE INDEX p_a ON p (a);
CREATE INDEX p1_again ON p1 (a);
