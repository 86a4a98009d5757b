-- Columns of a composite foreign key in the other order. 1.3.
-- expect: nothing
CREATE TABLE parent (p integer, q integer, PRIMARY KEY (p, q));
INSERT INTO parent SELECT i, i FROM generate_series(1, 2000) AS i;
CREATE TABLE child (p integer, q integer, FOREIGN KEY (p, q) REFERENCES parent);
INSERT INTO child SELECT i, i FROM generate_series(1, 1500) AS i;
DELETE FROM parent WHERE p > 1990;
CREATE INDEX child_q_p ON child (q, p);
