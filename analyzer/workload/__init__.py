"""Recorded statements: parsed, fingerprinted, and what they ask of each table.

`parse` cuts texts into statements, `plannable` makes a normalised text one that EXPLAIN takes, `shapes` finds filters,
joins and sort keys (`shape_reader`) in what `scopes` resolves: writes, around `queries`, their `sources` and conditions
(`resolved`). `bindings` draws values for parameters from the statistics.

`log_reader` reads a server's log: `log_files` opens it, `log_parts` cuts it where records begin, `log_workers` has the
parts read in several processes. In each, `log_lines` finds records in any of the `log_formats`, behind their
`log_prefix`, `log_events` says what each means, `log_spelling` of which statement, `log_statements` adds up the
`log_totals` of each; `log_readings` puts the parts together. `log_values` finds the values of parameters;
`log_workload` puts all that beside the recorded statements.
"""
