"""Say which statements were not examined, and what is lost with them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzer.amounts import percent, plural
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.weights import Weight
from analyzer.sql import shortened

#: Statements named one by one where several have the same reason.
_MOST_NAMED = 5
#: Characters of a statement that was not examined; all of it is in the snapshot.
_MOST_QUOTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A statement that was not examined, and its share of what all are weighed by."""

    id: str
    text: str
    share_of_time: float
    reason: str
    #: Whether it was priced all the same.
    is_priced: bool = False


def gaps(missed: Iterable[Missed], weigh_by: Weight = "time") -> Iterator[NotExamined]:
    """Group statements by the reason; a single one is quoted."""
    by_reason: defaultdict[str, list[Missed]] = defaultdict(list)
    for each in missed:
        by_reason[each.reason].append(each)
    for reason, statements in by_reason.items():
        share = sum(each.share_of_time for each in statements)
        taken = f"with {percent(share)} of the recorded {weigh_by}"
        if len(statements) == 1:
            (only,) = statements
            what, query = f"the statement {only.id} {taken}", quoted(only.text)
        else:
            longest = sorted(statements, key=lambda each: (-each.share_of_time, each.id))
            more = f" and {len(longest) - _MOST_NAMED} more" if len(longest) > _MOST_NAMED else ""
            named = ", ".join(each.id for each in longest[:_MOST_NAMED])
            what, query = f"{plural(len(statements), 'statement')} {taken}: {named}{more}", None
        unpriced = None if all(each.is_priced for each in statements) else share
        yield NotExamined(what=what, reason=reason, query=query, share_of_time=unpriced)


def quoted(text: str) -> str:
    """Return as much of a statement as a reader needs to know it; a NUL, which no document holds, is replaced."""
    return shortened(text.replace("\0", "\N{REPLACEMENT CHARACTER}"), _MOST_QUOTED)
