-- An exclusion constraint's expression and predicate are its index's.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- unguarded: EXPLAIN SELECT * FROM {place}.t WHERE a = 5
CREATE TABLE t (
    id integer PRIMARY KEY, a integer,
    EXCLUDE USING btree ((a + canary.quiet('{place}')) WITH =) WHERE (canary.quiet('{place}') = 1)
);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
