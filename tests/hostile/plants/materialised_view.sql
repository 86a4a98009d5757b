-- A materialised view's query: only REFRESH plans it, as the view's owner.
-- asks: SELECT * FROM {place}.m
-- twin: silent: the view is made WITH NO DATA and read as a table
-- production: silent: nothing refreshes it
CREATE MATERIALIZED VIEW m AS SELECT i AS id, canary.quiet('{place}') AS q FROM generate_series(1, 500) AS i;
CREATE INDEX ON m (id);
