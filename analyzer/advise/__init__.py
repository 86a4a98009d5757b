"""Propose indexes: drafts, their costs on the twin, and the choice among them.

`drafts` and `candidates` name indexes worth trying; `cost` prices a workload under a configuration, with `plan_cache`
(plans known to hold), `relevance` (indexes that cannot change a plan), `limit_cost`, `fit_parameters` and `upkeep`;
`select` and `integer_program` choose; `proposal` puts it together; `whatif` tries by hand; `timing` fits times.
"""
