"""Keep the plans that auto_explain logged, in bounded memory: of each shape the most expensive one."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Final

from analyzer.db import MARKER
from analyzer.documents.not_examined import NotExamined
from analyzer.postgres.carried_queries import query_inside
from analyzer.workload.log_events import Execution, LoggedPlan
from analyzer.workload.log_lines import LogRecord
from analyzer.workload.log_spelling import Identities, spelling
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.log_times import Boundary
from analyzer.workload.plan_files import ExplainedPlan, find_plans

MOST_PLANS: Final = 1_000
#: A tree takes about ten times as much as its text.
_MOST_PLAN_BYTES: Final = 8 * 1024**2
_MOST_STATEMENT_BYTES: Final = 16 * 1024**2

_TEXT = re.compile(r"Query Text: (?P<query>.*?)(?=\n\S[^\n]*  \(cost=\d+\.\d\d\.\.\d+\.\d\d rows=)", re.DOTALL)
_PARAMETERS_LINE = re.compile(r"\nQuery Parameters: (?P<parameters>[^\n]*)\Z")
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
#: Of JSON, and of YAML, whose strings are written alike.
_QUOTED = re.compile(
    rf'[\[{{\s]*"?Query Text"?: (?P<query>{_STRING})(?:,?\s*"?Query Parameters"?: (?P<parameters>{_STRING}))?',
    re.DOTALL,
)
_XML = re.compile(
    r"\s*(?:<explain[^>]*>\s*)?<Query-Text>(?P<query>[^<]*)</Query-Text>"
    r"(?:\s*<Query-Parameters>(?P<parameters>[^<]*)</Query-Parameters>)?"
)
#: What stands before and behind the type of a node, and what it is on, by the first character of a plan.
_MARKS: Final = {
    "{": (('"Node Type": "', '"'), ('"Relation Name": "', '"'), ('"Index Name": "', '"')),
    "<": (("<Node-Type>", "<"), ("<Relation-Name>", "<"), ("<Index-Name>", "<")),
    "Q": (('Node Type: "', '"'), ('Relation Name: "', '"'), ('Index Name: "', '"')),
}
_DECODER: Final = json.JSONDecoder(strict=False)
_CARRIES = re.compile(r"\s*(?:prepare|declare|copy|create|refresh|explain)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Shape:
    """The plans of one shape."""

    where: str
    plan: LoggedPlan
    calls: int


@dataclass(slots=True)
class LoggedPlans:
    """The plans of a log, and the statements that they are of."""

    #: Statements of other databases are counted; None takes all.
    database: str | None = None
    boundary: Boundary | None = None
    identities: Identities = field(default_factory=Identities)
    #: The statements with their times and values.
    table: StatementTable = field(init=False)
    shapes: dict[str, _Shape] = field(default_factory=dict[str, _Shape])
    _bytes: int = 0
    others: int = 0
    _unread: int = 0
    without_query: int = 0

    def __post_init__(self) -> None:
        """Begin without statements."""
        self.table = StatementTable(self.database, _MOST_STATEMENT_BYTES, self.boundary, self.identities)

    def add(self, record: LogRecord, plan: LoggedPlan, *, file: str) -> None:
        """Count a plan, and keep it if it is the most expensive one of its shape."""
        if MARKER in plan.text or self.table.is_elsewhere(record):
            return
        query, parameters = logged_query(plan.text)
        statement = None
        if query is None:
            self.without_query += 1
        else:
            statement = self.table.add(record, Execution(query, plan.ms, parameters=parameters))
        key = "\n".join((statement or spelling(query or ""), *_nodes(plan.text)))
        where = file if record.time is None else f"{file}, {record.time}"
        self._keep(key, _Shape(where, plan, calls=1))

    def merge(self, later: "LoggedPlans") -> None:
        """Add the plans of a later part of the log."""
        self.table.merge(later.table)
        for key, shape in later.shapes.items():
            self._keep(key, shape)
        self.others += later.others
        self.without_query += later.without_query

    def _keep(self, key: str, shape: _Shape) -> None:
        known = self.shapes.get(key)
        size = len(shape.plan.text) - (len(known.plan.text) if known is not None else 0)
        is_full = len(self.shapes) >= MOST_PLANS and known is None
        if is_full or self._bytes + size > _MOST_PLAN_BYTES:
            self.others += shape.calls
            return
        calls = known.calls if known is not None else 0
        if known is None or known.plan.ms < shape.plan.ms:
            known = self.shapes[key] = shape
            self._bytes += size
        known.calls = calls + shape.calls

    def kept(self) -> Iterator[tuple[ExplainedPlan, int]]:
        """Yield each plan kept, with the number of executions that had one of its shape; the most frequent first."""
        for shape in sorted(self.shapes.values(), key=lambda each: (-each.calls, -each.plan.ms, each.where)):
            found = find_plans(shape.plan.text, shape.where).plans
            self._unread += not found
            for plan in found[:1]:
                query, parameters = logged_query(shape.plan.text)
                yield (
                    replace(
                        plan,
                        where=shape.where,
                        query=query or plan.query,
                        parameters=parameters or plan.parameters,
                        queryid=plan.queryid or shape.plan.query_id,
                        execution_ms=shape.plan.ms,
                    ),
                    shape.calls,
                )

    def gaps(self) -> Iterator[NotExamined]:
        """Name what is not kept, once all plans are read."""
        for count, what, reason in (
            (self._unread, "plans of auto_explain", "they are malformed or truncated"),
            (self.without_query, "plans of auto_explain", "the text of their statement is not logged or truncated"),
            (self.others, "plans of auto_explain", f"more than {MOST_PLANS:,} of different shapes are not kept"),
        ):
            if count:
                yield NotExamined(what=f"server log: {count:,} {what}", reason=reason)
        for what, count in sorted(self.table.skipped.items()):
            yield NotExamined(what=f"server log: plans of {count:,} {what}", reason="skipped while the log was read")


def _nodes(plan: str) -> Iterator[str]:
    """Yield the nodes of a plan, whose numbers and constants differ from call to call."""
    costs = plan.split("  (cost=")
    yield from (above[above.rfind("\n") + 1 :] for above in costs[:-1])
    for before, behind in _MARKS.get(plan[:1], ()):
        yield from (found[: found.find(behind)] for found in plan.split(before)[1:])


def logged_query(text: str) -> tuple[str | None, str | None]:
    """Return the query that auto_explain logged with a plan, in any format, and its parameters, where it has them."""
    query, parameters = _parts(text)
    if query is not None and _CARRIES.match(query):
        query = query_inside(query)
    return query, parameters


def _parts(text: str) -> tuple[str | None, str | None]:
    if text.startswith("Query Text: ") and not text.startswith('Query Text: "'):
        found = _TEXT.match(text)
        if found is None:
            return None, None
        listed = _PARAMETERS_LINE.search(found["query"])
        end = len(found["query"]) if listed is None else listed.start()
        return found["query"][:end], listed and listed["parameters"]
    if (found := _XML.match(text)) is not None:
        return unescape(found["query"]), found["parameters"] and unescape(found["parameters"])
    if (found := _QUOTED.match(text)) is not None:
        return _unquoted(found["query"]), found["parameters"] and _unquoted(found["parameters"])
    return None, None


def _unquoted(text: str) -> str | None:
    try:
        return str(_DECODER.decode(text))
    except ValueError:
        return None
