-- A collation has no code, but a name and a locale.
-- asks: SELECT * FROM {place}.t WHERE a > 'x' ORDER BY a
-- twin: silent: there is nothing to run unless a name is not quoted
-- production: silent: the same
CREATE COLLATION "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" FROM "C";
CREATE TABLE t (id integer PRIMARY KEY, a text COLLATE "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--");
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (a);
