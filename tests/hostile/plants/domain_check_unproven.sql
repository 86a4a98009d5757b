-- A domain's check that calls what PostgreSQL has, not a function of a user's: no value of its owner's passes it.
-- asks: SELECT * FROM {place}.t WHERE b = ANY ('{5,6}'::{place}.d[])
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE b = ANY ('{5,6}'::{place}.d[])
CREATE DOMAIN d AS integer;
CREATE TABLE t (id integer PRIMARY KEY, b d);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t (b);
ALTER DOMAIN d ADD CHECK (length(pg_read_file('{directory}/{place}.bait')) < VALUE) NOT VALID;
