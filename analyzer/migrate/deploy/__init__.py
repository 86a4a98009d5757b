"""Run one step online: outside a transaction, watched, with timeouts and retries, and resumable after any death.

`online` and `statistics` are the entries, for indexes and for statistics objects with their ANALYZE; `deployment` a
step's connection, `deploy_lock` one deploy at a time; `build`, `partitions` and `jobs` build; `next_action` decides
by the `catalog` what is left to do; `preflight` and `pooler` refuse early; `retry`, `watch` and `session` wait, look
and send; `offline` writes SQL for `alembic upgrade --sql`.
"""
