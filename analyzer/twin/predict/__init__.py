"""What an index that does not exist would look like to the planner.

`index_size` has pages, tuples and height for every access method (`gin_pages` for GIN's); `key_statistics`,
`value_widths` and `distinct_combinations` are its inputs. `key_estimate` is the record for expressions, filled
`from_captured` indexes, `from_sample` rows or `from_column` statistics; `analyze` holds ANALYZE's estimators.
"""
