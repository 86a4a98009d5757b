"""Plans of a server: as a snapshot keeps them, and as documents show them, with the statements that stand for them."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from analyzer.documents.bounds import Count, Milliseconds, Name, Text
from analyzer.documents.record import Record, SnapshotRecord


class ServerPlan(SnapshotRecord):
    """A plan that the server made: of a file, or of auto_explain in its log."""

    #: File, and line or time.
    where: Text
    #: As EXPLAIN (FORMAT JSON) has it.
    tree: dict[str, JsonValue]
    #: The text of its statement, where that stands with it.
    query: Text | None = None
    #: `$1 = '…', $2 = NULL`, as auto_explain logs them.
    parameters: Text | None = None
    queryid: Annotated[str, Field(pattern=r"^-?[0-9]{1,20}$")] | None = None
    #: Settings that differ from the built-in defaults; None if the plan does not list any.
    settings: dict[Name, Text] | None = None
    planning_ms: Milliseconds | None = None
    execution_ms: Milliseconds | None = None
    #: Executions in the log that had a plan of this shape, of which this one took longest.
    calls: Count = 1
    #: Whether constants of the statement and its conditions were removed.
    without_constants: bool = False


class PlanFinding(Record):
    """What an executed plan shows; the fields that its kind does not have are None."""

    #: misestimate: rows estimated and counted differ by a factor of 10 or more. spill: written to disk. lossy: a bitmap
    #: that holds blocks, not rows. filtered: most rows are read for nothing. not reproduced: the twin plans otherwise.
    kind: Literal["misestimate", "spill", "lossy", "filtered", "not reproduced"]
    #: Node type, index and relation; of a plan that is not reproduced the first node that differs, None where it ends.
    node: Text | None
    #: Conditions of the node, or the keys of a sort, as EXPLAIN prints them.
    condition: Text | None = None
    #: Of one execution of the node.
    estimated_rows: float | None = None
    #: Of one execution; of all executions in a finding about a filter.
    actual_rows: float | None = None
    #: In all executions.
    removed_rows: float | None = None
    size_bytes: int | None = None
    #: Heap blocks that the bitmap holds as a whole.
    blocks: int | None = None
    #: The node of the twin in the same place.
    twin_node: Text | None = None


class PlanStatement(Record):
    """A statement that stands for a plan."""

    id: str
    #: What of the plan it was derived from; None if its text is known.
    derived_from: Text | None = None


class GivenPlan(Record):
    """One plan of the input."""

    #: File, and line or time.
    where: Text
    queryid: str | None = None
    #: How its statement was found: by the text that stands with the plan, by the queryid among the recorded ones, or
    #: derived from the plan.
    origin: Literal["text", "queryid", "derived"]
    statements: tuple[PlanStatement, ...]
    planning_ms: float | None = None
    execution_ms: float | None = None
    #: Executions in the log that had a plan of this shape.
    calls: int = 1
    #: Whether the twin chooses the same plan; None if that is not known.
    reproduced: bool | None = None
    #: Why it is not known.
    not_compared: Text | None = None
    findings: tuple[PlanFinding, ...] = ()
