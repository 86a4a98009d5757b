-- Comment, statistics target and storage parameters come back with the index.
-- expect: TX402 public.t_2
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_1 ON t ((a + 1));
CREATE INDEX t_2 ON t ((a + 1)) WITH (fillfactor = 70);
COMMENT ON INDEX t_2 IS 'it''s 100 %s';
ALTER INDEX t_2 ALTER COLUMN 1 SET STATISTICS 250;
