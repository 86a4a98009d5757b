-- The library has another version than when the indexes were built; hash and pattern classes compare bytes. 1.1 row 29.
-- needs: icu
-- expect: TX418 public.drifted
CREATE COLLATION drifted (provider = icu, locale = 'de');
CREATE COLLATION unused (provider = icu, locale = 'fr');
CREATE TABLE t (a text COLLATE drifted, b text COLLATE unused, c text COLLATE "C");
CREATE INDEX t_a ON t (a);
CREATE INDEX t_b ON t (b text_pattern_ops);
CREATE INDEX t_b_hash ON t USING hash (b);
CREATE INDEX t_c ON t (c);
UPDATE pg_collation SET collversion = '1' WHERE collname IN ('drifted', 'unused');
