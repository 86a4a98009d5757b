-- No statements are recorded.
-- part-size: 10000
-- expect: nothing
-- skipped: TX408 no statements are recorded
CREATE TABLE t (note integer);
INSERT INTO t SELECT CASE WHEN i % 10 = 0 THEN i END FROM generate_series(1, 40000) AS i;
CREATE INDEX t_note ON t (note);
