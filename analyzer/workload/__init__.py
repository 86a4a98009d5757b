"""Recorded statements: parsed, fingerprinted, and what they ask of each table.

`parse` cuts texts into statements, `plannable` makes a normalised text one that EXPLAIN takes, `shapes` finds filters,
joins and sort keys, `bindings` draws values for parameters from the statistics.
"""
