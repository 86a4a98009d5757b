-- Policies for roles that may run programs, and for the superuser: the role that plans must not become their member.
-- asks: SELECT * FROM {place}.t WHERE a = 5
-- twin: silent: without the layer of roles the one that plans is a superuser, who is above row security
-- production: silent: a superuser is above row security
CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT i, i FROM generate_series(1, 500) AS i;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t TO pg_execute_server_program, pg_write_server_files, pg_read_all_data, postgres
    USING (canary.quiet('{place}') = 1);
CREATE POLICY q ON t TO PUBLIC USING (canary.quiet('{place}') = 1);
