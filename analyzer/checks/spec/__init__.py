"""Rules of one declared index, a module a topic.

`context` is what of the database they see, `sqlstates` maps the server's own refusals to rules.
"""
