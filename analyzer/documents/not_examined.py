"""What was not looked at, as every document says it: the snapshot, the proposals, the findings, the report."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from analyzer.documents.bounds import Text
from analyzer.documents.record import Record


class NotExamined(Record):
    """Something that was not looked at, and why."""

    #: What, in words; the text of a statement belongs into `query`, where the query-text switch reaches it.
    what: Text
    reason: Text
    #: Not in a snapshot, whose statements stand apart.
    query: Text | None = None
    #: Of the recorded time, where it is a statement or several; not in a snapshot either.
    share_of_time: float | None = None


def share_of(gaps: Iterable[NotExamined]) -> float:
    """Return what share of the recorded time some gaps take together."""
    return sum(gap.share_of_time or 0.0 for gap in gaps)


def _by_what(gaps: tuple[NotExamined, ...]) -> tuple[NotExamined, ...]:
    return tuple(sorted(gaps, key=lambda gap: (gap.what, gap.reason, gap.query or "")))


#: In an order that does not depend on who looked first.
Gaps = Annotated[tuple[NotExamined, ...], AfterValidator(_by_what)]
