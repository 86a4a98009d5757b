"""From declared changes to a deploy: `plan/` writes revisions, `operations` are what they call, `deploy/` runs them.

Public paths: `analyzer.migrate.alembic_plugin` and `analyzer.migrate.lock`.
"""
