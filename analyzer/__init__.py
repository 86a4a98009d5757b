"""Declare PostgreSQL indexes as reviewed YAML, deploy them with Alembic, and find new ones with proof."""

__version__ = "0.1.0"
