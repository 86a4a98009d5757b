-- An index that begins with one of the columns may be enough: a note. 1.3.
-- expect: TX502 public.child info
CREATE TABLE parent (p integer, q integer, PRIMARY KEY (p, q));
INSERT INTO parent SELECT i, i FROM generate_series(1, 2000) AS i;
CREATE TABLE child (p integer, q integer, r integer, FOREIGN KEY (p, q) REFERENCES parent);
INSERT INTO child SELECT i, i FROM generate_series(1, 1500) AS i;
DELETE FROM parent WHERE p > 1990;
CREATE INDEX child_p_r ON child (p, r, q);
