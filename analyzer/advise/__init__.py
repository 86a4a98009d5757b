"""Propose indexes: drafts, their costs on the twin, and the choice among them.

`drafts` and `candidates` name indexes worth trying; `benefit` says what a statement costs and what an index saves;
`cost` prices a workload under a configuration, with `plan_cache` (plans known to hold), `relevance` (indexes that
cannot change a plan), `limit_cost` and `fit_parameters`; `write_costs` prices what is written, with `table_writes`
(how many rows) and `upkeep` (what an entry costs); `select` and `integer_program` choose, within `limits`, by
what is known (`ledger`, `gains`); `extension` and `retirement` change what exists; `worth` and `risks` say what a
reviewer asks of a proposal; `statistics_advice` and `stale_statistics` are about what is not an index; `proposal` puts
it together; `whatif` tries given indexes; `timing` fits times; `verification` compares expected with measured times.
"""
