-- To a partitioned table, which gives it a constraint for each partition. 1.3.
-- expect: TX502 public.child
CREATE TABLE parent (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parent_1 PARTITION OF parent FOR VALUES FROM (0) TO (1000);
CREATE TABLE parent_2 PARTITION OF parent FOR VALUES FROM (1000) TO (3000);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent integer REFERENCES parent);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id > 1990;
