"""The document of `statements`."""

from typing import Literal

from analyzer.documents.member import Member
from analyzer.documents.not_examined import Gaps
from analyzer.documents.provenance import Provenance
from analyzer.documents.record import Record
from analyzer.documents.weights import Weight


class RecordedStatement(Record):
    """What pg_stat_statements recorded of one statement, under all of its queryids; else what the log or plans have."""

    #: twindex's own fingerprint; of the very text where that cannot be parsed.
    id: str
    queryids: tuple[str, ...]
    #: That of the entry with the most time.
    query: str
    calls: int
    total_ms: float
    mean_ms: float
    #: None if the log or plans alone have the statement.
    rows: int | None
    share_of_time: float
    #: Why it cannot be planned; None if it can be parsed.
    obstacle: str | None = None
    #: Whether pg_stat_statements does not have it, but the log or plans.
    only_logged: bool = False
    #: Where it stands for several statements of one shape, those; its counters are their sums, its text the heaviest's.
    members: tuple[Member, ...] = ()


class StatementsDocument(Record):
    """What `twindex statements` says; by share of time, the largest first."""

    format: Literal["twindex-statements"] = "twindex-statements"
    version: Literal[1] = 1
    provenance: Provenance
    statements: tuple[RecordedStatement, ...]
    #: Whether some were asked for by their ID: these are shown whole.
    selected: bool = False
    not_examined: Gaps = ()
    #: What every `share_of_time` of this document is a share of, in truth.
    weighed_by: Weight = "time"
