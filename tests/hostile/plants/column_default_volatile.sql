-- A column's volatile default: an INSERT runs it, planning one does not.
-- asks: INSERT INTO {place}.t (id) VALUES (1000)
-- twin: silent: the rows of the extremes name a value for every column, and nothing else inserts
-- production: silent: twindex inserts nothing
CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer DEFAULT canary.sing('{place}'));
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
