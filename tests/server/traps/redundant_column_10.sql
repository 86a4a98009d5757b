-- Column 1 is no prefix of column 10. 1.2 B.
-- expect: nothing
CREATE TABLE t (c1 integer, c2 integer, c3 integer, c4 integer, c5 integer, c6 integer, c7 integer, c8 integer, c9 integer, c10 integer, c11 integer);
CREATE INDEX t_1 ON t (c1);
CREATE INDEX t_10 ON t (c10);
CREATE INDEX t_10_11 ON t (c11, c1);
