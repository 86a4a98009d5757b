"""Changes between specs and database, as steps and Alembic revisions.

`steps` turns a change into statements, `revision` writes the file, `autogenerate` hooks into
`alembic revision --autogenerate`, `split_revision` gives indexes a revision of their own, `model_conflicts` refuses an
index that models and specs both declare, `alembic_catalog` reads the catalog through Alembic's connection.
"""
