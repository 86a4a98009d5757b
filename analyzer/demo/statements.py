"""What the platform's services send: each statement, how often, and what it is asked about.

A statement is the name of a template in `sql_templates/demo/workload/`, sent by psycopg, or something built with
SQLAlchemy, Core or ORM, as the services themselves mix them. The weights say how often, in proportion: the shop's are
three fifths of all.
"""

from analyzer.demo import statements_catalog, statements_insight, statements_intelligence, statements_pipeline
from analyzer.demo.statement import Kind, Parameters, StatementSpec

__all__ = ["STATEMENTS", "Kind", "Parameters", "StatementSpec"]

STATEMENTS = (
    *statements_catalog.STATEMENTS,
    *statements_intelligence.STATEMENTS,
    *statements_insight.STATEMENTS,
    *statements_pipeline.STATEMENTS,
)
