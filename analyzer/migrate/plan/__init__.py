"""Changes between specs and database, as steps and Alembic revisions.

`steps` turns the change of an index into statements, `statistics_steps` those of statistics, `revision` writes the
file, `autogenerate` hooks into `alembic revision --autogenerate`, `split_revision` gives our steps a revision of
their own, `model_conflicts` refuses an index that models and specs both declare, `alembic_catalog` reads the catalog
through Alembic's connection.
"""
