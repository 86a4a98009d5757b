-- Lengths that differ, and varchar beside text, are the same type to an index. Row 10 of 1.1.
-- expect: TX503 public.child info
CREATE TABLE parent (id text PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent varchar(20) REFERENCES parent);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id::integer > 1990;
CREATE INDEX child_parent ON child (parent);
