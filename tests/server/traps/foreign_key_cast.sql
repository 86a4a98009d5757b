-- A smaller type of another operator family is cast, so that no index finds its rows.
-- expect: TX503 public.child warning
CREATE TABLE parent (id numeric PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent integer REFERENCES parent);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id > 1990;
CREATE INDEX child_parent ON child (parent);
