-- text_pattern_ops serves LIKE, text_ops serves ORDER BY. 1.2 E.
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX t_c ON t (c);
CREATE INDEX t_c_pattern ON t (c text_pattern_ops);
CREATE INDEX t_c_pattern_a ON t (c varchar_pattern_ops, a) WHERE a > 1;
