"""The spec of extended statistics: what an entry of `statistics:` may say, and the object it declares."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from analyzer.objects.statistics import StatisticsDef, StatisticsKind
from analyzer.postgres.schema_patterns import specialized
from analyzer.specs.fields import Expression, Name, ObjectSpec, State
from analyzer.sql import conforming

#: What ALTER STATISTICS … SET STATISTICS takes.
MOST_TARGET = 10_000


class StatisticsSpec(ObjectSpec):
    """One declared statistics object."""

    section: ClassVar[str] = "statistics"

    kinds: tuple[StatisticsKind, ...] = Field(
        default=(), description="Of several columns; without them all. A single expression takes none."
    )
    columns: tuple[Name, ...] = Field(default=(), description="In any order.")
    expressions: tuple[Expression, ...] = Field(
        default=(), description="SQL over the table's own columns; a single one needs no column beside it."
    )
    target: Annotated[int, Field(ge=0, le=MOST_TARGET)] | None = Field(
        default=None, description="Statistics target; without one the largest of the columns'."
    )

    def definition(self, schema: str, table: str, rows: float | None = None) -> StatisticsDef:
        """Return the statistics object declared."""
        return StatisticsDef(
            schema=schema,
            table=table,
            name=self.name,
            kinds=self.kinds,
            columns=self.columns,
            expressions=tuple(specialized(text, schema) for text in self.expressions),
            target=self.target,
        )


def statistics_entry(
    statistics: StatisticsDef, *, state: State, why: str, evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a statistics object as the YAML mapping of a spec, defaults left out, in the order the guide shows."""
    optional: dict[str, Any] = {
        "kinds": list(statistics.kinds),
        "columns": list(statistics.columns),
        "expressions": [conforming(str(text)) for text in statistics.expressions],
        "target": statistics.target,
        "state": state if state != "approved" else None,
        "why": why,
        "evidence": json.loads(json.dumps(dict(evidence))),
    }
    return {"name": statistics.name} | {
        name: value for name, value in optional.items() if value not in (None, "", [], {})
    }
