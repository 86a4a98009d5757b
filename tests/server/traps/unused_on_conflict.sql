-- INSERT … ON CONFLICT scans a unique index, a plain INSERT does not; it stays in any case. 1.4.
-- unused-size: 0
-- window: 30 days
-- expect: nothing
CREATE TABLE t (a integer);
CREATE UNIQUE INDEX t_a ON t (a);
INSERT INTO t SELECT generate_series(1, 100);
