-- An index that is longer than a unique one has columns that the other lacks, and a unique one enforces. 1.5.
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE UNIQUE INDEX t_d ON t (d);
CREATE INDEX t_d_a ON t (d, a);
