-- Statistics are of the table's own column: another table's of the same name is all NULL. 1.7.
-- expect: nothing
CREATE TABLE px_a (id integer, note text);
CREATE TABLE px_b (id integer, note text);
INSERT INTO px_a SELECT i FROM generate_series(1, 20000) AS i;
INSERT INTO px_b SELECT i, 'note ' || i FROM generate_series(1, 20000) AS i;
CREATE INDEX px_b_note ON px_b (note);
SELECT count(*) FROM px_b WHERE note = 'note 3';
