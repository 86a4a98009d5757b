-- A domain's check: the input function of its values runs it, that of an array of them at once.
-- asks: SELECT * FROM {place}.t WHERE b = ANY ('{5,6}'::{place}.d[])
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE b = ANY ('{5,6}'::{place}.d[])
CREATE DOMAIN d AS integer CHECK (VALUE > -canary.quiet('{place}'));
CREATE TABLE t (id integer PRIMARY KEY, b d);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (b);
