-- 70 % of the rows were deleted; of an expression and of a part the size is not known. 1.6.
-- bloat-size: 8193
-- deduplication-size: 1000000000
-- expect: TX405 public.bl_int, TX405 public.bl_text, TX405 public.bl_dup, TX405 public.bl_dupoff
-- skipped: TX405 it is partial or has an expression
-- truth: within 5 points
CREATE TABLE bl (id integer, t text, dup integer, dupoff integer, p integer);
INSERT INTO bl SELECT i, 'some text ' || i, i % 100, i % 100, i FROM generate_series(1, 200000) AS i;
CREATE INDEX bl_int ON bl (id);
CREATE INDEX bl_text ON bl (t);
CREATE INDEX bl_expr ON bl ((id * 2));
CREATE INDEX bl_part ON bl (p) WHERE p > 190000;
CREATE INDEX bl_dup ON bl (dup);
CREATE INDEX bl_dupoff ON bl (dupoff) WITH (deduplicate_items = off);
DELETE FROM bl WHERE id % 10 < 7;
