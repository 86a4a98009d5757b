-- A partition's bound: the server computes it when the partition is made, and keeps the value.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- twin: silent: a bound is captured as a constant
-- production: silent: it is a constant
CREATE TABLE t (id integer, a integer) PARTITION BY RANGE (a);
CREATE TABLE u PARTITION OF t FOR VALUES FROM (canary.quiet('{place}')) TO (100);
CREATE TABLE v PARTITION OF t DEFAULT;
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a);
