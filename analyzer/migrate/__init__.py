"""From declared changes to a deploy: `plan/` writes revisions, `operations` are what they call, `deploy/` runs them.
`revision_text` writes operations as Python.

Public paths: `analyzer.migrate.alembic_plugin` and `analyzer.migrate.lock`.
"""
