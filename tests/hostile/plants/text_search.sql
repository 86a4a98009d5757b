-- A text search configuration with a dictionary of a user's.
-- asks: SELECT * FROM {place}.t WHERE to_tsvector('{place}.words', a) @@ to_tsquery('{place}.words', 'x')
-- twin: silent: a dictionary's template is code of a superuser's
-- production: silent: templates and parsers are code of a superuser's
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION words (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION words ADD MAPPING FOR asciiword WITH plain;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT i, 'word ' || i FROM generate_series(1, 500) AS i;
CREATE INDEX ON t USING gin (to_tsvector('{place}.words', a));
