-- No version was recorded: nobody knows by which the index was built.
-- needs: icu
-- from: 15
-- expect: nothing
-- skipped: TX418 was not recorded
CREATE COLLATION unrecorded (provider = icu, locale = 'de');
CREATE TABLE t (a text COLLATE "unrecorded");
CREATE INDEX t_a ON t (a);
UPDATE pg_collation SET collversion = NULL WHERE collname = 'unrecorded';
