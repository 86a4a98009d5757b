-- Of two that find the rows of a foreign key one stays.
-- unused-size: 0
-- window: 30 days
-- expect: TX401 public.child_p_q
CREATE TABLE parent (p integer, q integer, PRIMARY KEY (p, q));
CREATE TABLE child (p integer, q integer, FOREIGN KEY (p, q) REFERENCES parent);
CREATE INDEX child_p_q ON child (p, q);
CREATE INDEX child_q_p ON child (q, p);
