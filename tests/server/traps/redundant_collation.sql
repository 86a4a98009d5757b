-- COLLATE "C" compares otherwise than the collation of the column. 1.2 D.
-- expect: nothing
CREATE TABLE t (a integer, b integer, c text, d integer);
INSERT INTO t SELECT i % 90, i % 7, 'x' || i, i FROM generate_series(1, 3000) AS i;
CREATE TABLE ci (c text COLLATE "POSIX", l text);
CREATE INDEX t_c ON t (c);
CREATE INDEX t_c_bytes ON t (c COLLATE "C");
CREATE INDEX ci_c ON ci (c);
CREATE INDEX ci_c_bytes ON ci (c COLLATE "C", l);
CREATE INDEX ci_lower ON ci (lower(l));
CREATE INDEX ci_lower_bytes ON ci (lower(l) COLLATE "C");
