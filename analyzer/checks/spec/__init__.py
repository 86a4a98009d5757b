"""Rules of one declared object: of an index a module a topic, of extended statistics `statistics`.

`context` is what of the database they see, `sqlstates` maps the server's own refusals to rules.
"""
