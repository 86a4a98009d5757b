-- A rule: planning what it rewrites folds what it adds.
-- asks: INSERT INTO {place}.t (id) VALUES (1000)
-- unguarded: EXPLAIN INSERT INTO {place}.t (id) VALUES (1000)
CREATE TABLE t (id integer PRIMARY KEY, a integer);
CREATE TABLE u (id integer, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO u VALUES (NEW.id, canary.quiet('{place}'));
