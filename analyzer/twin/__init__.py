"""The planner twin: a throw-away cluster with the captured schema, statistics and sizes, and no rows.

`twin.Twin` is what others use; `pool` runs several. It puts together `planning` (ask the planner), `definitions` (read
a definition back from the server), `exposure` (which indexes there are, and which the planner sees) and `survivor` (the
server, built again when it dies). `build` conducts:

- `server/` chooses, starts, contains and stops a PostgreSQL server of our own, and edits its files.
- `schema/` creates the captured objects, with stand-ins for what must not run.
- `predict/` tells the size, height and statistics that an index which does not exist would have.
- `restore/` writes statistics, sizes and first pages (a btree's height) into the twin.
- `hypothetical/` adds indexes, shows and hides them, and asks the planner.
"""
