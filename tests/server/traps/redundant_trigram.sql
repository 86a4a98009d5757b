-- A GIN index beside a unique btree of the same column. active_record_doctor 69.
-- expect: nothing
CREATE TABLE t (tags text[], doc jsonb);
CREATE INDEX t_tags ON t (tags);
CREATE INDEX t_tags_gin ON t USING gin (tags);
CREATE INDEX t_doc ON t USING gin (doc);
CREATE INDEX t_doc_path ON t USING gin (doc jsonb_path_ops);
