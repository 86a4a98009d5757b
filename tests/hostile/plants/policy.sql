-- A policy: planning for a role that row security applies to folds it.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- twin: silent: without the layer of roles the one that plans is a superuser, who is above row security
-- production: silent: a superuser is above row security, a reader may not execute more than its owner let it
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t USING (canary.quiet('{place}') = 1);
