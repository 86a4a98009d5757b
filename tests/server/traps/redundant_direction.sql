-- Directions that differ in one of two columns order the rows otherwise. 1.2 C.
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_asc ON t (a, b);
CREATE INDEX t_desc ON t (a, b DESC);
CREATE INDEX t_nulls ON t (a NULLS FIRST, b);
