"""The reference platform as SQLAlchemy sees it: one module per system, one PostgreSQL schema each.

Tables, keys and constraints are declared here. Secondary indexes are not: they are declared in `index_specs/`.
"""

from analyzer.demo.models import catalog, insight, intelligence, pipeline
from analyzer.demo.models.base import Base

#: What `alembic check` compares the database with.
metadata = Base.metadata

__all__ = ["Base", "catalog", "insight", "intelligence", "metadata", "pipeline"]
