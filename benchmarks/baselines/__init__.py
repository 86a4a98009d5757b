"""The known algorithms of index selection, written from their papers, over the same what-if as the advisor.

They choose among plain btree indexes on the columns that a statement filters, joins, groups or sorts by, which is what
the papers call indexable, or syntactically relevant. The common ground, and which of them is best when: J. Kossmann,
S. Halfpap, M. Jankrift, R. Schlosser, "Magic mirror in my hand, which is the best in the land? An experimental
evaluation of index selection algorithms", VLDB 2020.
"""
