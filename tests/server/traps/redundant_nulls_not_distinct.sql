-- NULLS NOT DISTINCT forbids more. 1.5.
-- from: 15
-- expect: nothing
CREATE TABLE t (v integer);
CREATE UNIQUE INDEX t_v ON t (v);
CREATE UNIQUE INDEX t_v_nulls ON t (v) NULLS NOT DISTINCT;
