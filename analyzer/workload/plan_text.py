"""Parse the text format of EXPLAIN into what its JSON format says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.postgres.identifiers import PART, unquote
from analyzer.workload.plan_lines import RECORD
from analyzer.workload.plan_properties import is_known, read_property, settle_grouping, typed
from analyzer.workload.plan_tree import MOST_LEVELS, MOST_NODES, MalformedPlanError, Properties, inputs, most_inputs

#: Lines that one condition may be wrapped to.
_MOST_WRAPPED = 200


_LOST = "its indentation is lost"
_NODE_TYPES = frozenset((
    "Append", "Bitmap Heap Scan", "Bitmap Index Scan", "BitmapAnd", "BitmapOr", "CTE Scan", "Custom Scan",
    "Foreign Scan", "Function Scan", "Gather", "Gather Merge", "Group", "Hash", "Incremental Sort", "Index Only Scan",
    "Index Scan", "Limit", "LockRows", "Materialize", "Memoize", "Merge Append", "Named Tuplestore Scan", "ProjectSet",
    "Recursive Union", "Result", "Sample Scan", "Seq Scan", "Sort", "Subquery Scan", "Table Function Scan",
    "Tid Range Scan", "Tid Scan", "Unique", "Values Scan", "WindowAgg", "WorkTable Scan",
))  # fmt: skip
_JOIN_TYPES = "Left|Full|Right Semi|Right Anti|Right|Semi|Anti"
_JOIN = re.compile(rf"(Nested Loop)(?: ({_JOIN_TYPES}) Join)?|(Hash|Merge)(?: ({_JOIN_TYPES}))? Join")
_AGGREGATE = re.compile(r"(?:(Partial|Finalize) )?(Group|Hash|Mixed)?Aggregate")
_SET_OPERATION = re.compile(r"(Hash)?SetOp ((?:Intersect|Except)(?: All)?)")
_MODIFY = re.compile(r"(Foreign )?(Insert|Update|Delete|Merge)")
_CUSTOM = re.compile(r"Custom Scan \((.{1,100})\)")
_STRATEGIES = {"Group": "Sorted", "Hash": "Hashed", "Mixed": "Mixed", None: "Plain"}
_TARGETS = {
    "CTE Scan": "CTE Name", "WorkTable Scan": "CTE Name", "Function Scan": "Function Name",
    "Table Function Scan": "Table Function Name", "Named Tuplestore Scan": "Tuplestore Name",
    "Values Scan": None, "Subquery Scan": None,
}  # fmt: skip
_SCANS_WITH_DIRECTION = ("Index Scan", "Index Only Scan")
_MEMBERS = ("Append", "Merge Append", "BitmapAnd", "BitmapOr")

_REAL = r"[0-9]{1,20}(?:\.[0-9]{1,20})?"
_COSTS = re.compile(
    rf"\s*\(cost=(?P<startup>{_REAL})\.\.(?P<total>{_REAL}) rows=(?P<rows>{_REAL}) width=(?P<width>[0-9]{{1,18}})\)"
)
_TIMES = rf"(?:time=(?P<first>{_REAL})\.\.(?P<last>{_REAL}) ?)?"
_COUNTS = rf"rows=(?P<rows>{_REAL}) loops=(?P<loops>[0-9]{{1,18}})"
_ACTUAL = re.compile(rf"\s*\((?:never executed|actual {_TIMES}(?:{_COUNTS})?)\)")
_MEASURED = re.compile(r"\((?:cost=|actual |never executed)")
_WHAT = re.compile(
    r"(?P<kind>[A-Z][A-Za-z]*(?: (?!Backward)[A-Z][A-Za-z]*)*(?: \([^()]{1,100}\))?)(?P<backward> Backward)?"
    rf"(?: using (?P<index>{PART}))?(?: on (?P<target>{PART}(?:\.{PART})?(?: {PART})?))?"
)
_TARGET = re.compile(rf"(?:({PART})\.)?({PART})(?: ({PART}))?")
_LABEL = re.compile(r"(InitPlan|SubPlan|CTE) [^:]{1,200}")
_WORKER = re.compile(r"Worker ([0-9]{1,6}):\s*(.*)")
_WORKER_TIMES = re.compile(rf"actual {_TIMES}{_COUNTS}")
_TRIGGER = re.compile(
    rf"Trigger (?:for constraint (?P<constraint>{PART})|(?P<name>{PART}))(?: for constraint (?P<both>{PART}))?"
    rf"(?: on (?P<relation>{PART}(?:\.{PART})?))?: (?:time=(?P<time>{_REAL}) )?calls=(?P<calls>[0-9]{{1,18}})"
)
#: Lines that stand after the nodes.
_SUMMARY = re.compile(
    r"(?:Planning|Planning Time|Execution Time|Total runtime|Settings|Query Identifier|JIT|Serialization"
    r"|Trigger .{1,300}):"
)
_ARROW = re.compile(r"->\s*")
_QUOTES_AND_BRACKETS = re.compile(r"['\"()]")


def is_node(line: str) -> bool:
    """Say whether a line shows a node with its costs or times."""
    return _MEASURED.search(line) is not None and parse_node(_ARROW.sub("", line.strip(), count=1)) is not None


def is_bare_node(line: str) -> bool:
    """Say whether a line could show a node without costs and times, as EXPLAIN (COSTS OFF) does."""
    node = parse_node(_ARROW.sub("", line.strip(), count=1))
    return node is not None and "Total Cost" not in node


def continues_plan(line: str) -> bool:
    """Say whether a line belongs to the plan that began above it, as far as the line alone shows."""
    text = line.strip()
    return is_arrow(text) or is_known(text) or _SUMMARY.match(text) is not None or is_node(text)


def is_arrow(line: str) -> bool:
    """Say whether a line shows a node below another one."""
    return line.lstrip().startswith("->")


def parse_node(text: str) -> Properties | None:
    """Parse the line of a node, without its arrow; None if it is not one."""
    measured = _MEASURED.search(text)
    head, rest = (text, "") if measured is None else (text[: measured.start()], text[measured.start() :])
    node: Properties = {}
    for word, name in (("Parallel ", "Parallel Aware"), ("Async ", "Async Capable")):
        node[name] = head.startswith(word)
        head = head.removeprefix(word)
    what = _WHAT.fullmatch(head.strip()) if len(head) < 1_000 else None
    if what is None or not _add_kind(node, what["kind"], known=measured is None):
        return None
    node = {"Node Type": node.pop("Node Type"), **node}
    if node["Node Type"] in _SCANS_WITH_DIRECTION:
        node["Scan Direction"] = "Backward" if what["backward"] else "Forward"
    if what["index"]:
        node["Index Name"] = unquote(what["index"])
    if what["target"]:
        _add_target(node, what["target"])
    return node if not rest or _add_measures(node, rest) else None


def _add_kind(node: Properties, kind: str, *, known: bool) -> bool:
    """Read the name of a node, which in the text format says what other formats have properties for."""
    if join := _JOIN.fullmatch(kind):
        node["Node Type"] = join[1] or f"{join[3]} Join"
        node["Join Type"] = join[2] or join[4] or "Inner"
    elif aggregate := _AGGREGATE.fullmatch(kind):
        node |= {"Node Type": "Aggregate", "Strategy": _STRATEGIES[aggregate[2]]}
        node["Partial Mode"] = aggregate[1] or "Simple"
    elif operation := _SET_OPERATION.fullmatch(kind):
        node |= {"Node Type": "SetOp", "Strategy": "Hashed" if operation[1] else "Sorted", "Command": operation[2]}
    elif modify := _MODIFY.fullmatch(kind):
        node |= {"Node Type": "Foreign Scan" if modify[1] else "ModifyTable", "Operation": modify[2]}
    elif custom := _CUSTOM.fullmatch(kind):
        node |= {"Node Type": "Custom Scan", "Custom Plan Provider": custom[1]}
    elif kind in _NODE_TYPES or not known:
        node["Node Type"] = kind
    else:
        return False
    return True


def _add_target(node: Properties, text: str) -> None:
    found = _TARGET.fullmatch(text)
    if found is None:
        return
    schema, name, alias = (None if part is None else unquote(part) for part in found.groups())
    kind = node["Node Type"]
    if kind == "Bitmap Index Scan":
        node["Index Name"] = name
        return
    label = _TARGETS.get(kind, "Relation Name")
    if label is not None:
        node[label] = name
        if schema is not None:
            node["Schema"] = schema
    node["Alias"] = alias or name


def _add_measures(node: Properties, text: str) -> bool:
    costs = _COSTS.match(text)
    actual = _ACTUAL.match(text, costs.end() if costs else 0)
    if costs:
        node["Startup Cost"], node["Total Cost"] = float(costs["startup"]), float(costs["total"])
        node["Plan Rows"], node["Plan Width"] = typed("", costs["rows"]), int(costs["width"])
    if actual:
        _add_actual(node, actual)
    end = actual.end() if actual else costs.end() if costs else 0
    return end > 0 and not text[end:].strip()


def _add_actual(node: Properties, found: re.Match[str]) -> None:
    if found["first"] is not None:
        node["Actual Startup Time"], node["Actual Total Time"] = float(found["first"]), float(found["last"])
    if found["loops"] is not None:
        node["Actual Rows"], node["Actual Loops"] = typed("", found["rows"]), int(found["loops"])
    elif found["first"] is None:
        node |= {"Actual Startup Time": 0.0, "Actual Total Time": 0.0, "Actual Rows": 0, "Actual Loops": 0}


@dataclass(slots=True)
class _Reader:
    """Builds the tree of one plan, line by line."""

    document: Properties = field(default_factory=dict[str, Any])
    #: Where the text of the top begins.
    column: int = 0
    #: From the top to the node read last, each with the column of its arrow.
    path: list[tuple[int, Properties]] = field(default_factory=list[tuple[int, Properties]])
    nodes: list[Properties] = field(default_factory=list[Properties])
    #: Those that have an input already, by identity.
    fed: set[int] = field(default_factory=set[int])
    #: What the next node is for its parent, if the line before says so.
    label: str | None = None
    worker: tuple[int, Properties] | None = None
    #: A group of properties after the nodes.
    section: Properties | None = None
    #: It begins behind an arrow: the nodes above are missing.
    is_fragment: bool = False

    def add(self, line: str) -> bool:
        """Read one line; False if it does not belong to the plan."""
        column, text = len(line) - len(line.lstrip()), line.strip()
        arrow = _ARROW.match(text)
        if not self.nodes:
            return self._top(column, text, arrow)
        if arrow:
            return self._child(column, text[arrow.end() :])
        if _SUMMARY.match(text) and column <= self.column + 1:  # a paste may begin behind the first blank
            return self._summary(text)
        if column <= self.column and not is_known(text):
            return False
        return self._property(column, text) if self.section is None else read_property(self.section, text)

    def _top(self, column: int, text: str, arrow: re.Match[str] | None) -> bool:
        start = arrow.end() if arrow else 0
        if (node := parse_node(text[start:])) is None:
            return False
        self.column, self.path, self.nodes, self.is_fragment = column + start, [(-1, node)], [node], arrow is not None
        self.document["Plan"] = node
        return True

    def _child(self, arrow: int, text: str) -> bool:
        node = parse_node(text)
        if node is None or self.section is not None:
            return False
        if arrow <= self.column:
            if self.is_fragment:
                return False
            raise MalformedPlanError(_LOST)
        while self.path[-1][0] >= arrow:
            self.path.pop()
        if len(self.path) >= MOST_LEVELS or len(self.nodes) >= MOST_NODES:
            raise MalformedPlanError(f"it has more than {MOST_LEVELS} levels or {MOST_NODES:,} nodes")
        parent = self.path[-1][1]
        children: list[Properties] = parent.setdefault("Plans", [])
        node = {"Node Type": node["Node Type"], **self._relationship(parent), **node}
        children.append(node)
        self.path.append((arrow, node))
        self.nodes.append(node)
        self.label = self.worker = None
        return True

    def _relationship(self, parent: Properties) -> Properties:
        if self.label is not None:
            kind = "SubPlan" if self.label.startswith("SubPlan") else "InitPlan"
            return {"Parent Relationship": kind, "Subplan Name": self.label}
        is_fed = id(parent) in self.fed
        self.fed.add(id(parent))
        if parent["Node Type"] in _MEMBERS:
            return {"Parent Relationship": "Member"}
        if parent["Node Type"] == "Subquery Scan":
            return {"Parent Relationship": "Subquery"}
        return {"Parent Relationship": "Inner" if is_fed else "Outer"}

    def _summary(self, text: str) -> bool:
        self.section = None
        if trigger := _TRIGGER.fullmatch(text):
            self.document.setdefault("Triggers", []).append(_trigger(trigger))
        elif text.startswith(("Planning:", "JIT:")):
            self.section = self.document.setdefault(text.partition(":")[0], {})
        else:
            name, _, value = text.partition(":")
            value = value.strip().removesuffix(" ms")
            if name in ("Settings", "Serialization"):
                read_property(self.document, text)
                self.section = self.document["Serialization"] if name == "Serialization" else None
                return True
            self.document[name] = typed(name, value)
        return True

    def _property(self, column: int, text: str) -> bool:
        node = self.path[-1][1]
        if worker := _WORKER.match(text):
            entry = _worker(node, int(worker[1]))
            self.worker = column, entry
            return not worker[2] or self._worker_line(entry, worker[2])
        if self.worker is not None and column > self.worker[0]:
            return self._worker_line(self.worker[1], text)
        if _LABEL.fullmatch(text):
            self.label = text
            while self.path[-1][0] >= column > 0:
                self.path.pop()
            return True
        if node["Node Type"] == "ModifyTable" and (target := parse_node(text)) is not None:
            kept = {name: target[name] for name in ("Relation Name", "Schema", "Alias") if name in target}
            node.setdefault("Target Tables", []).append(kept)
            return True
        return read_property(node, text)

    def _worker_line(self, entry: Properties, text: str) -> bool:
        if times := _WORKER_TIMES.fullmatch(text):
            _add_actual(entry, times)
            return True
        return text == "JIT:" or read_property(entry, text)


def _worker(node: Properties, number: int) -> Properties:
    workers: list[Properties] = node.setdefault("Workers", [])
    known = next((each for each in workers if each["Worker Number"] == number), None)
    if known is None:
        known = {"Worker Number": number}
        workers.append(known)
    return known


def _trigger(found: re.Match[str]) -> Properties:
    trigger: Properties = {}
    if found["name"]:
        trigger["Trigger Name"] = unquote(found["name"])
    if constraint := found["constraint"] or found["both"]:
        trigger["Constraint Name"] = unquote(constraint)
    if found["relation"]:
        trigger["Relation"] = unquote(found["relation"])
    if found["time"]:
        trigger["Time"] = float(found["time"])
    return trigger | {"Calls": int(found["calls"])}


def parse_text(lines: Sequence[str], start: int = 0) -> tuple[Properties, int]:
    """Parse the plan that begins in a line, as far as it goes; return it and the number of the line after it.

    Raises MalformedPlanError.
    """
    reader, position = _Reader(), start
    width = max(map(len, lines[start : start + _MOST_WRAPPED]), default=0)
    while position < len(lines):
        line, taken = _whole(lines, position, width)
        if not RECORD.fullmatch(line) and (not line.strip() or not reader.add(line)):
            break
        position += taken
    if not reader.nodes:
        raise MalformedPlanError("its first line is not a node")
    if any(len(inputs(node)) > most_inputs(node) for node in reader.nodes):
        raise MalformedPlanError(_LOST)
    for node in reader.nodes:
        settle_grouping(node)
    return reader.document, position


def _whole(lines: Sequence[str], position: int, width: int) -> tuple[str, int]:
    """Put a line together that a mail or a terminal of that width has wrapped, or a string in it has broken."""
    line, taken, (quote, depth) = lines[position], 1, _open_at_end(lines[position], "", 0)
    while (quote or depth > 0) and taken < _MOST_WRAPPED and position + taken < len(lines):
        following = lines[position + taken]
        if not following.strip() or is_arrow(following) or _SUMMARY.match(following.strip()):
            break
        if len(lines[position + taken - 1]) == width:  # terminals wrap anywhere, mails at blanks
            line += following
        else:
            line = f"{line}\n{following}" if quote == "'" else f"{line.rstrip()} {following.strip()}"
        quote, depth = _open_at_end(following, quote, depth)
        taken += 1
    return (lines[position], 1) if quote or depth > 0 else (line, taken)


def _open_at_end(line: str, quote: str, depth: int) -> tuple[str, int]:
    """Return the quote and the number of brackets that are open after a line."""
    for found in _QUOTES_AND_BRACKETS.finditer(line):
        character = found[0]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += 1 if character == "(" else -1
    return quote, depth
