-- A unique index beside the primary key enforces nothing else; one that treats NULLs or is checked otherwise does.
-- expect: TX402 public.t_id_again, TX402 public.u_v_again
CREATE TABLE t (id integer PRIMARY KEY, v integer, UNIQUE (v) DEFERRABLE);
CREATE UNIQUE INDEX t_id_again ON t (id);
CREATE UNIQUE INDEX t_v_now ON t (v);
CREATE TABLE u (v integer, w integer);
CREATE UNIQUE INDEX u_v ON u (v);
CREATE UNIQUE INDEX u_v_again ON u (v);
CREATE UNIQUE INDEX u_v_some ON u (v) WHERE w > 1;
CREATE UNIQUE INDEX u_v_w ON u (v, w);
