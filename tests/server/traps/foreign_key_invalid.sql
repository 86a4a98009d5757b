-- The only index is INVALID, and has the name that the remedy would give. 1.3.
-- expect: TX404 public.ix_child_parent, TX502 public.child
CREATE TABLE parent (id integer PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent integer REFERENCES parent);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id > 1990;
-- fails: CREATE UNIQUE INDEX CONCURRENTLY ix_child_parent ON child (parent)
