-- Every index is examined, and none is left out without a word. 1.7.
-- examined: TX404 220
-- expect: nothing
DO $$ BEGIN FOR i IN 1..220 LOOP EXECUTE format('CREATE TABLE t%s (a integer)', i); EXECUTE format('CREATE INDEX t%s_a ON t%s (a)', i, i); END LOOP; END $$;
