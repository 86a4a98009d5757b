-- The same, not analyzed since: the statistics tell of rows that are gone. 1.6.
-- bloat-size: 8193
-- deduplication-size: 1000000000
-- expect: TX508 public.bl
-- then: TX405 public.bl_int, TX405 public.bl_text, TX405 public.bl_dup, TX405 public.bl_dupoff
-- analyze: before
-- skipped: TX405 changed much since it was analyzed
CREATE TABLE bl (id integer, t text, dup integer, dupoff integer, p integer);
INSERT INTO bl SELECT i, 'some text ' || i, i % 100, i % 100, i FROM generate_series(1, 200000) AS i;
CREATE INDEX bl_int ON bl (id);
CREATE INDEX bl_text ON bl (t);
CREATE INDEX bl_expr ON bl ((id * 2));
CREATE INDEX bl_part ON bl (p) WHERE p > 190000;
CREATE INDEX bl_dup ON bl (dup);
CREATE INDEX bl_dupoff ON bl (dupoff) WITH (deduplicate_items = off);
VACUUM ANALYZE bl;
DELETE FROM bl WHERE id % 10 < 7;
