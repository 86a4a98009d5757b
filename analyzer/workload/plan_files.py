"""Find plans in files: in any format of EXPLAIN, pasted into prose, in logs of auto_explain, in JSON of any shape."""

import bisect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from analyzer.amounts import plural
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import InputError
from analyzer.named_file import opened
from analyzer.visible import one_line
from analyzer.workload.plan_documents import (
    XML_END,
    json_end,
    parse_json,
    parse_xml,
    parse_yaml,
    plans_in,
    texts_in,
    yaml_end,
)
from analyzer.workload.plan_lines import HEADER, RULE, cleaned
from analyzer.workload.plan_text import continues_plan, is_arrow, is_bare_node, is_node, parse_text
from analyzer.workload.plan_tree import (
    MalformedPlanError,
    PlanNode,
    Properties,
    checked_tree,
    incomplete,
    number,
    plain_text,
)
from analyzer.workload.statement_above import statement_above, without_explain

#: Of one file; the rest of a larger one is not read.
MOST_BYTES = 64 * 1024**2
MOST_FILES = 1_000
MOST_PLANS = 10_000
#: Of those that could not be read, the first are named one by one.
_MOST_NAMED = 20
#: A text in a value of JSON may hold JSON.
_MOST_WITHIN = 3
#: Lines of a query in a log.
_MOST_QUERY_LINES = 20_000

_LOGGED = re.compile(r"duration: (?P<ms>\d{1,15}(?:\.\d{1,6})?) ms\s+plan:\s*\Z")
_QUERY_TEXT = re.compile(r"\s*Query Text: ?(?P<text>.*)")
_PARAMETERS = re.compile(r"\s*Query Parameters: ?(?P<text>.*)")
_YAML_START = re.compile(r'\s*(?:- )?(?:Plan:\s*|Query Text: ".*"\s*)')
_INDENTED_PROPERTY = re.compile(r"\s+[A-Z][\w /().-]{1,60}: ")
_LOOKS_LIKE_JSON_PLAN = re.compile(r'"Node Type"\s*:')


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPlan:
    """One plan that a server made, as EXPLAIN (FORMAT JSON) has it."""

    #: File and line.
    where: str
    tree: PlanNode
    #: The text of the statement, from auto_explain or above the plan.
    query: str | None = None
    #: As auto_explain prints them: `$1 = '5', $2 = NULL`.
    parameters: str | None = None
    queryid: str | None = None
    #: Settings that differ from the built-in defaults; None if the plan does not list any.
    settings: Mapping[str, str] | None = None
    planning_ms: float | None = None
    execution_ms: float | None = None
    #: Executions that had a plan of this shape, of which this one took longest.
    calls: int = 1
    #: Whether constants of its statement and conditions were removed.
    without_constants: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlans:
    """The plans of some files, and what in these could not be read."""

    plans: tuple[ExplainedPlan, ...]
    not_examined: tuple[NotExamined, ...] = ()

    @property
    def asks_recorded(self) -> bool:
        """Say whether recorded statements are needed: a plan has a queryid, and no text."""
        return any(plan.queryid is not None and plan.query is None for plan in self.plans)


def read_plans(paths: Sequence[Path]) -> ReadPlans:
    """Read the plans of files, and of all files in directories, in their order.

    Raises InputError for a path that cannot be read, and if no plan is found in any of them.
    """
    found = [each for path in paths for each in _files(path)]
    plans: list[ExplainedPlan] = []
    gaps: list[NotExamined] = []
    for name, path in found[:MOST_FILES]:
        text, cut = _text(path)
        read = find_plans(text, name)
        plans += read.plans
        gaps += read.not_examined
        if cut:
            gaps.append(NotExamined(what=f"the rest of {name}", reason=f"it is larger than {MOST_BYTES // 1024**2} MB"))
        if not read.plans and not read.not_examined:
            gaps.append(NotExamined(what=name, reason="it contains no plan"))
    if len(found) > MOST_FILES:
        gaps.append(
            NotExamined(what=plural(len(found) - MOST_FILES, "file"), reason=f"at most {MOST_FILES:,} are read")
        )
    if len(plans) > MOST_PLANS:
        gaps.append(
            NotExamined(what=plural(len(plans) - MOST_PLANS, "plan"), reason=f"at most {MOST_PLANS:,} are read")
        )
    if not plans:
        first = next((f" ({gap.what}: {gap.reason})" for gap in gaps), "")
        raise InputError(
            f"{', '.join(map(str, paths))} contains no plan that can be read{first}; give the output of EXPLAIN"
        )
    return ReadPlans(plans=tuple(plans[:MOST_PLANS]), not_examined=tuple(gaps))


def _files(path: Path) -> list[tuple[str, Path]]:
    """List the files under a path, each with the name that it is called by; a link out of a directory is left out."""
    try:
        if not path.is_dir():
            return [(one_line(path.name), path)]
        inside = sorted(each for each in path.rglob("*") if not each.name.startswith("."))
        return [
            (one_line(str(each.relative_to(path))), each) for each in inside if each.is_file() and not each.is_symlink()
        ]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file or a directory of plans") from None


def _text(path: Path) -> tuple[str, bool]:
    """Read a file as text of any encoding, and say whether it was cut."""
    try:
        with opened(path, MOST_BYTES) as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file or a directory of plans") from None
    cut = len(content) > MOST_BYTES
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content[:MOST_BYTES].decode("utf-16" if wide else "utf-8-sig", errors="replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}"), cut


def find_plans(text: str, name: str) -> ReadPlans:
    """Find the plans in a text; `name` says where it comes from."""
    finder = _Finder(name)
    finder.run(text)
    return ReadPlans(plans=tuple(finder.plans), not_examined=tuple(finder.gaps()))


@dataclass(slots=True)
class _Entry:
    """What auto_explain has logged above a plan."""

    duration_ms: float | None = None
    query: list[str] | None = None
    parameters: str | None = None


@dataclass(slots=True)
class _Finder:
    name: str
    #: How many texts it is in, each a value in the one before.
    within: int = 0
    #: Of the text within another one: the line that one begins in.
    line: int | None = None
    plans: list[ExplainedPlan] = field(default_factory=list[ExplainedPlan])
    failed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _lines: list[str] = field(default_factory=list[str])
    #: The lines as one text, and where in it each begins.
    _text: str = ""
    _starts: list[int] = field(default_factory=list[int])
    #: Where the plan before ended.
    _after: int = 0
    _last_xml: int = -1
    _entry: _Entry = field(default_factory=_Entry)

    def gaps(self) -> Iterator[NotExamined]:
        """Name what could not be read, and count what is not named."""
        for what, reason in self.failed[:_MOST_NAMED]:
            yield NotExamined(what=what, reason=one_line(reason)[:500])
        if (more := len(self.failed) - _MOST_NAMED) > 0:
            yield NotExamined(
                what=f"{plural(more, 'more plan')} in {self.name}", reason="they are malformed or truncated"
            )

    def run(self, text: str) -> None:
        """Go through the lines; at each of them a plan may begin."""
        self._lines = cleaned(text)
        self._text = "\n".join(self._lines)
        self._starts = list(itertools.accumulate((len(line) + 1 for line in self._lines), initial=0))
        self._last_xml = self._text.rfind(XML_END)
        position = 0
        while position < len(self._lines):
            position = self._step(position)

    def _step(self, at: int) -> int:
        """Read what begins in a line, and return the number of the line to go on with."""
        line = self._lines[at]
        stripped = line.lstrip()
        if not stripped:
            return at + 1
        end = at + 1
        if logged := _LOGGED.search(line):
            self._entry = _Entry(duration_ms=float(logged["ms"]))
        elif stripped[0] in "[{":
            end = self._json(at)
        elif stripped.startswith("<explain"):
            end = self._xml(at)
        elif _YAML_START.fullmatch(line):
            end = self._yaml(at)
        elif query := _QUERY_TEXT.match(line):
            end = self._query(at, query["text"])
        elif self._is_top(at):
            end = self._plain(at)
        return end

    def _is_top(self, at: int) -> bool:
        """Say whether a plan in the text format begins in a line."""
        line = self._lines[at]
        if is_node(line):
            return True
        if is_arrow(line) or not is_bare_node(line):
            return False
        above = next((each for each in reversed(self._lines[max(at - 3, 0) : at]) if not RULE.fullmatch(each)), "")
        below = self._lines[at + 1] if at + 1 < len(self._lines) else ""
        return (
            not above.strip()
            or HEADER.match(above) is not None
            or self._entry.duration_ms is not None
            or _INDENTED_PROPERTY.match(below) is not None
            or (is_arrow(below) and is_bare_node(below))
        )

    def _query(self, at: int, first: str) -> int:
        """Read the query that auto_explain logs; it ends where the plan begins."""
        self._entry.query = [first]
        end = min(len(self._lines), at + 1 + _MOST_QUERY_LINES)
        for place in range(at + 1, end):
            line = self._lines[place]
            if parameters := _PARAMETERS.match(line):
                self._entry.parameters = parameters["text"]
                return place + 1
            if _LOGGED.search(line) or self._is_top(place):
                return place
            self._entry.query.append(line)
        return end

    def _plain(self, at: int) -> int:
        try:
            document, end = parse_text(self._lines, at)
        except MalformedPlanError as error:
            self._fail(at, str(error))
            return self._skipped(at)
        self._found(document, at, end)
        if (node := incomplete(document["Plan"])) is not None:
            reason = f"its {node['Node Type']} lacks an input, in this line or after it"
            self.failed.append((f"a part of the plan in {self._where(at)}", reason))
        return end

    def _skipped(self, at: int) -> int:
        """Go behind the lines of a plan that cannot be read."""
        at += 1
        while at < len(self._lines) and continues_plan(self._lines[at]):
            at += 1
        return at

    def _yaml(self, at: int) -> int:
        end = yaml_end(self._lines, at)
        return self._parsed(at, end, parse_yaml, "\n".join(self._lines[at:end]))

    def _xml(self, at: int) -> int:
        end = self._text.find(XML_END, self._starts[at]) if self._starts[at] < self._last_xml else -1
        if end < 0:
            self._fail(at, "its XML is truncated")
            return at + 1
        return self._value(at, end + len(XML_END), parse_xml)

    def _json(self, at: int) -> int:
        line = self._lines[at]
        closed, end = json_end(self._text, self._starts[at] + len(line) - len(line.lstrip()))
        if closed:
            return self._value(at, end, parse_json)
        if _LOOKS_LIKE_JSON_PLAN.search("\n".join(self._lines[at : at + 12])):
            self._fail(at, "its JSON is malformed or truncated")
            return self._behind_json(at)
        return max(bisect.bisect_right(self._starts, end) - 1, at + 1)

    def _behind_json(self, at: int) -> int:
        """Go to the next line that is neither indented nor a bracket."""
        at += 1
        while at < len(self._lines) and (not self._lines[at].strip() or self._lines[at][0] in " \t]}"):
            at += 1
        return at

    def _value(self, at: int, end: int, parse: Callable[[str], Any]) -> int:
        """Read the value that begins in a line and ends before a place in the text."""
        text = self._text[self._starts[at] : end]
        return self._parsed(at, at + text.count("\n") + 1, parse, text)

    def _parsed(self, at: int, end: int, parse: Callable[[str], Any], text: str) -> int:
        try:
            value = parse(text)
        except MalformedPlanError as error:
            if "Node" in text:
                self._fail(at, str(error))
            return end
        found = list(plans_in(value))
        for document in found:
            self._found(document, at, end)
        if not found:
            for inner in texts_in(value):
                self._inside(inner, at)
        return end

    def _inside(self, text: str, at: int) -> None:
        """Find plans in a text that is a value in another one."""
        if self.within >= _MOST_WITHIN:
            return
        finder = _Finder(self.name, within=self.within + 1, line=self.line or at + 1)
        finder.run(text)
        self.plans += finder.plans
        self.failed += finder.failed

    def _where(self, at: int) -> str:
        return f"{self.name}:{self.line or at + 1}"

    def _fail(self, at: int, reason: str) -> None:
        self.failed.append((f"the plan in {self._where(at)}", reason))
        self._entry, self._after = _Entry(), at + 1

    def _found(self, document: Properties, at: int, end: int) -> None:
        try:
            plan = _explained(document, self._where(at))
        except MalformedPlanError as error:
            self._fail(at, str(error))
            return
        entry = self._entry
        query = (plan.query or "\n".join(entry.query or ())).strip() or None
        if query is None:
            query = statement_above(self._lines[self._after : at], plan.tree)
        self.plans.append(
            replace(
                plan,
                query=None if query is None else without_explain(query),
                parameters=plan.parameters or entry.parameters,
                execution_ms=entry.duration_ms if plan.execution_ms is None else plan.execution_ms,
            )
        )
        self._entry, self._after = _Entry(), end


def _explained(document: Properties, where: str) -> ExplainedPlan:
    settings = document.get("Settings")
    queryid = document.get("Query Identifier")
    return ExplainedPlan(
        where=where,
        tree=checked_tree(document.get("Plan")),
        query=_string(document, "Query Text"),
        parameters=_string(document, "Query Parameters"),
        queryid=str(queryid) if isinstance(queryid, int | str) and re.fullmatch(r"-?\d{1,20}", str(queryid)) else None,
        settings={plain_text(str(name)): plain_text(str(value)) for name, value in cast("Properties", settings).items()}
        if isinstance(settings, dict)
        else None,
        planning_ms=number(document, "Planning Time"),
        execution_ms=number(document, "Execution Time"),
    )


def _string(document: Properties, name: str) -> str | None:
    value = document.get(name)
    return plain_text(value) if isinstance(value, str) else None
