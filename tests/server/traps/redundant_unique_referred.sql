-- A foreign key rests on the unique index, which therefore stays though it is the second by name. 1.4.
-- expect: TX402 public.a_first
CREATE TABLE t (v integer, w integer, CONSTRAINT z_last UNIQUE (v));
CREATE UNIQUE INDEX a_first ON t (v);
CREATE TABLE child (v integer REFERENCES t (v));
