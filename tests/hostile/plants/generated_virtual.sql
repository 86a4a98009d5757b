-- A virtual generated column.
-- refused: user-defined
CREATE TABLE t (id integer PRIMARY KEY, b integer GENERATED ALWAYS AS (id + canary.quiet('{place}')) VIRTUAL);
