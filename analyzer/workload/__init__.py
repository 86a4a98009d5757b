"""Recorded statements: parsed, fingerprinted, and what they ask of each table.

`parse` cuts texts into statements, `plannable` makes a normalised text one that EXPLAIN takes, `shapes` finds filters,
joins and sort keys (`shape_reader`) in what `scopes` resolves: writes, around `queries`, their `sources` and conditions
(`resolved`). `bindings` draws values for parameters from the statistics.
"""
