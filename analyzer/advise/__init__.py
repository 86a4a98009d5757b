"""Propose indexes: drafts, their costs on the twin, and the choice among them.

`drafts` and `candidates` name indexes worth trying; `benefit` says what a statement costs and what an index saves;
`cost` prices a workload under a configuration, with `plan_cache` (plans known to hold), `relevance` (indexes that
cannot change a plan), `limit_cost`, `fit_parameters` and `upkeep`; `select` and `integer_program` choose; `proposal`
puts it together; `whatif` tries given indexes; `timing` fits times; `verification` compares expected with measured
times.
"""
