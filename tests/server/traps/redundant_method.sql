-- A hash or a BRIN index is no btree. 1.2 H.
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_btree ON t (d);
CREATE INDEX t_hash ON t USING hash (d);
CREATE INDEX t_brin ON t USING brin (d);
