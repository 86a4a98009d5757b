-- Primary key, unique, exclusion constraint, replica identity, clustered, and the only one for a foreign key. 1.4.
-- unused-size: 0
-- window: 30 days
-- expect: nothing
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE t (id integer PRIMARY KEY, a integer NOT NULL UNIQUE, b integer, c integer NOT NULL, parent integer REFERENCES parent, EXCLUDE USING btree (b WITH =));
CREATE INDEX t_c ON t (c);
ALTER TABLE t CLUSTER ON t_c;
CREATE UNIQUE INDEX t_identity ON t (c);
ALTER TABLE t REPLICA IDENTITY USING INDEX t_identity;
CREATE INDEX t_parent ON t (parent);
