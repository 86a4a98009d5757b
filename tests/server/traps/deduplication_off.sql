-- deduplicate_items = off with many equal keys; with none, or of a type whose equal values differ, it is nothing.
-- deduplication-size: 10000
-- expect: TX410 public.t_many
CREATE TABLE t (many integer, n numeric, d integer);
INSERT INTO t SELECT i % 50, i % 50, i FROM generate_series(1, 30000) AS i;
CREATE INDEX t_many ON t (many) WITH (deduplicate_items = off);
CREATE INDEX t_d ON t (d) WITH (deduplicate_items = off);
CREATE INDEX t_n ON t (n) WITH (deduplicate_items = off);
CREATE INDEX t_on ON t ((many + 1));
