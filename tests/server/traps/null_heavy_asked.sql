-- A statement looks for NULL. 1.1 row 12.
-- workload: recorded
-- part-size: 10000
-- expect: nothing
CREATE EXTENSION pg_stat_statements;
CREATE TABLE t (id integer, note integer, other integer);
INSERT INTO t SELECT i, CASE WHEN i % 10 = 0 THEN i END, CASE WHEN i % 3 = 0 THEN i END FROM generate_series(1, 40000) AS i;
CREATE INDEX t_note ON t (note);
VACUUM ANALYZE t;
SELECT pg_stat_statements_reset();
SELECT id FROM t WHERE note = 70;
SELECT id FROM t WHERE note = 80 OR t.note IS NULL LIMIT 1;
