-- text_pattern_ops has the operator = as well.
-- expect: nothing
CREATE TABLE parent (id text PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE child (id integer, parent text REFERENCES parent);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id::integer > 1990;
CREATE INDEX child_parent ON child (parent text_pattern_ops);
