"""Indexes that exist on the twin alone: `add_indexes` builds them, `visibility` shows and hides them from the planner,
`parking` keeps their storage, `explain` asks for plans, `read_back` builds an object to see how the server prints it.
"""
