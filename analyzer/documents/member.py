"""One of several statements that are one to the planner."""

from analyzer.documents.record import Record


class Member(Record):
    """A statement that differs from others in aliases, comments, IN lists or the order of its columns alone."""

    id: str
    queryid: str | None
    query: str
    calls: int
    #: None where no server measured it.
    total_ms: float | None
    share_of_time: float
