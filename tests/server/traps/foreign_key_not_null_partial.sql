-- A predicate that the look-up implies, whatever the columns are called. 1.3.
-- expect: nothing
CREATE TABLE parent (id integer PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 2000);
CREATE TABLE pair (p integer, q integer, PRIMARY KEY (p, q));
CREATE TABLE child (id integer, "x AND (y" integer REFERENCES parent, "IS NULL" integer, "AND" integer, UNIQUE (id), FOREIGN KEY ("IS NULL", "AND") REFERENCES pair);
INSERT INTO child SELECT i, 1 + i % 1500 FROM generate_series(1, 5000) AS i;
DELETE FROM parent WHERE id > 1990;
CREATE INDEX child_parent ON child ("x AND (y") WHERE "x AND (y" IS NOT NULL;
CREATE INDEX child_pair ON child ("AND", "IS NULL") WHERE ("IS NULL" IS NOT NULL) AND ("AND" IS NOT NULL);
