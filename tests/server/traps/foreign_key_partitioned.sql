-- Of a partitioned table, reported once. 1.3.
-- expect: TX502 public.child
CREATE TABLE parent (id integer PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent integer REFERENCES parent) PARTITION BY RANGE (id);
CREATE TABLE child_1 PARTITION OF child FOR VALUES FROM (0) TO (2500);
CREATE TABLE child_2 PARTITION OF child FOR VALUES FROM (2500) TO (9000);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id > 1990;
