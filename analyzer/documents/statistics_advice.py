"""Advice on statistics, as the documents of `propose` and `report` have it."""

from datetime import datetime

from pydantic import JsonValue

from analyzer.documents.member import Member
from analyzer.documents.record import Record


class ReplannedStatement(Record):
    """A statement whose plan extended statistics change."""

    id: str
    queryid: str | None
    query: str
    calls: int
    share_of_time: float
    #: What is estimated for the table alone: a condition of the plan, or the keys of its groups. None where nothing is.
    condition: str | None = None
    #: Rows, or groups, that the planner expects of that without and with the statistics.
    rows_before: float | None = None
    rows_after: float | None = None
    #: What the sample says; None where it does not, as with a parameter.
    rows_sampled: float | None = None
    #: EXPLAIN (FORMAT JSON).
    plan_before: JsonValue = None
    plan_after: JsonValue = None
    #: Where it stands for several statements of one shape, those.
    members: tuple[Member, ...] = ()


class RecordedMisestimate(Record):
    """An estimate that an executed plan proves wrong."""

    #: File, and line or time.
    where: str
    node: str
    condition: str | None = None
    #: Of one execution of the node.
    estimated_rows: float
    actual_rows: float


class StatisticsProposal(Record):
    """Proposed extended statistics, which change plans, and their evidence."""

    ddl: str
    #: Fills them: before it they change nothing.
    analyze_ddl: str
    downgrade_ddl: str
    name: str
    #: Quoted, qualified.
    table: str
    reason: str
    #: Of the workload's time: the part spent in the statements whose plans change.
    share_of_time: float
    statements: tuple[ReplannedStatement, ...]
    #: Rows of the sample that they are estimated from.
    sampled_rows: int
    recorded: tuple[RecordedMisestimate, ...] = ()
    caveats: tuple[str, ...] = ()


class AnalyzeAdvice(Record):
    """A table whose statistics are missing or stale."""

    ddl: str
    #: Quoted, qualified.
    table: str
    reason: str
    #: None where it was never analysed, or the server has forgotten it.
    last_analyze: datetime | None
    #: Rows inserted, updated or deleted since; rows of which on autovacuum would analyse it; and rows that it has.
    modified_rows: float
    threshold_rows: float
    rows: float
    #: Of the workload's time: the part spent in the statements that read it.
    share_of_time: float
    #: Their ids.
    statements: tuple[str, ...]
    caveats: tuple[str, ...] = ()
