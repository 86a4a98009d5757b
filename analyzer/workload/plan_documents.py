"""Parse the JSON, YAML and XML formats of EXPLAIN, from the place in a text where one begins."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast
from xml.parsers import expat

from pydantic_core import from_json
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from analyzer.workload.plan_properties import typed
from analyzer.workload.plan_tree import MOST_LEVELS, MalformedPlanError, Properties

#: Characters of one plan.
MOST_CHARACTERS = 16 * 1024**2
#: YAML is read at some 100 kB a second.
_MOST_YAML = 500_000
#: The parser follows 200.
_MOST_BRACKETS = 200

_JSON_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[^"\[\]{}]+', re.DOTALL)
_JSON_BETWEEN = re.compile(r"[\s,:\w.+-]*")
_YAML_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_YAML_SCALAR = rf"(?:{_YAML_TEXT}|-?[\d.]+(?:[eE][+-]?\d+)?|true|false|\[(?:{_YAML_TEXT}(?:, )?)*\])"
_YAML_LINE = re.compile(rf'(?:- )*(?:(?:"[^"]*"|[A-Za-z][\w /.()-]*):(?: +{_YAML_SCALAR})?|{_YAML_SCALAR})[ \t]*')
#: Names that XML cannot have as EXPLAIN writes them.
_XML_NAMES = {
    name.replace(" ", "-").replace("/", "-"): name
    for name in (
        "One-Time Filter", "Full-sort Groups", "Pre-sorted Groups", "I/O Read Time", "I/O Write Time",
        "Shared I/O Read Time", "Shared I/O Write Time", "Local I/O Read Time", "Local I/O Write Time",
        "Temp I/O Read Time", "Temp I/O Write Time", "HashAgg Batches",
    )
}  # fmt: skip
#: Groups whose members XML names after what they are.
_XML_LISTS = frozenset(("Plans", "Triggers", "Workers", "Grouping Sets", "Target Tables", "Group Keys", "Hash Keys"))
_XML_EMPTY: dict[str, Any] = {"Settings": {}, "Planning": {}, "Group Key": [], "Hash Key": []}
XML_END = "</explain>"


def json_end(text: str, start: int) -> tuple[bool, int]:
    """Return whether the JSON value that opens at `start` closes, and where; else before where no other one begins."""
    depth, position, most = 0, start, min(len(text), start + MOST_CHARACTERS)
    while position < most:
        piece = _JSON_PIECE.match(text, position, most)
        if piece is None or (piece[0][0] not in '"[]{}' and _JSON_BETWEEN.fullmatch(piece[0]) is None):
            return False, start
        depth += (piece[0] in ("{", "[")) - (piece[0] in ("}", "]"))
        position = piece.end()
        if depth == 0:
            return True, position
        if depth > _MOST_BRACKETS:
            return False, position
    return False, start


def parse_json(text: str) -> Any:
    """Parse JSON; raises MalformedPlanError."""
    try:
        return from_json(text)
    except ValueError as error:
        raise MalformedPlanError(f"its JSON is malformed: {error}") from None


def yaml_end(lines: Sequence[str], start: int) -> int:
    """Return the number of the line after the YAML that begins at `start`: indented as its first line, or more.

    The first line counts even if it is malformed.
    """
    column, end = _column(lines[start]), start + 1
    while end < len(lines) and _YAML_LINE.fullmatch(lines[end].strip()) and _column(lines[end]) >= column:
        end += 1
    return end


def parse_yaml(text: str) -> Any:
    """Parse lines of YAML that `yaml_end` let through: without anchors, tags and flow collections.

    Raises MalformedPlanError.
    """
    if len(text) > _MOST_YAML:
        raise MalformedPlanError(f"it is longer than {_MOST_YAML:,} characters; use FORMAT JSON")
    if any(_column(line) > 4 * MOST_LEVELS + 8 or line.count("- ") > 4 for line in text.splitlines()):
        raise MalformedPlanError(f"it is nested more than {MOST_LEVELS} deep")
    yaml: Any = YAML(typ="safe", pure=True)
    try:
        return yaml.load(text)
    except (YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = getattr(error, "problem", None) or type(error).__name__
        raise MalformedPlanError(f"its YAML is malformed: {reason}") from None


def _column(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def parse_xml(text: str) -> Any:
    """Parse `<explain>…</explain>` into what the JSON format holds; raises MalformedPlanError.

    No document type is let through, and so no entity is defined.
    """
    if len(text) > MOST_CHARACTERS:
        raise MalformedPlanError(f"it is larger than {MOST_CHARACTERS // 1024**2} MB")
    builder = _XmlBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.buffer_text = True
    try:
        parser.Parse(text, True)  # noqa: FBT003 - expat takes no keywords
    except expat.ExpatError as error:
        raise MalformedPlanError(f"its XML is malformed: {expat.errors.messages[error.code]}") from None
    return builder.queries


class _XmlBuilder:
    """Builds groups and lists of elements."""

    def __init__(self) -> None:
        self.queries: list[Any] = []
        #: Of each open element: its name, what is in it, and its text.
        self._open: list[tuple[str, list[tuple[str, Any]], list[str]]] = []

    def refuse(self, *_: object) -> None:
        raise MalformedPlanError("document types are not supported in the XML of a plan")

    def start(self, tag: str, _: object) -> None:
        if len(self._open) > 3 * MOST_LEVELS:
            raise MalformedPlanError(f"it is nested more than {MOST_LEVELS} deep")
        self._open.append((tag, [], []))

    def text(self, data: str) -> None:
        self._open[-1][2].append(data)

    def end(self, _: str) -> None:
        tag, children, text = self._open.pop()
        name = _XML_NAMES.get(tag, tag.replace("-", " "))
        if self._open:
            self._open[-1][1].append((name, self._value(name, children, "".join(text))))
        else:  # auto_explain leaves the level of queries out
            self.queries = [value for label, value in children if label == "Query"] or [dict(children)]

    def _value(self, name: str, children: list[tuple[str, Any]], text: str) -> Any:
        if name in _XML_LISTS or (children and all(child == "Item" for child, _ in children)):
            return [value for _, value in children]
        if children:
            return self._group(name, children)
        within = self._open[-1][0] if self._open else ""
        if not text.strip():
            return _XML_EMPTY.get(name, text)
        return text if name == "Item" or within == "Settings" else typed(name, text)

    @staticmethod
    def _group(name: str, children: list[tuple[str, Any]]) -> Properties:
        """Name the groups of an incremental sort, which XML calls all alike."""
        if name == "Incremental Sort Groups":
            methods = dict(children).get("Sort Methods Used") or ()
            place = "Disk" if any(str(method).startswith("external") for method in methods) else "Memory"
            return {f"{label} {place}" if label == "Sort Space" else label: value for label, value in children}
        labels = iter(("Full-sort Groups", "Pre-sorted Groups"))
        return {
            next(labels, label) if label == "Incremental Sort Groups" else label: value for label, value in children
        }


def plans_in(value: Any) -> Iterator[Properties]:
    """Yield what has a plan in a parsed value, wherever it stands: one answer of EXPLAIN each, in their order."""
    pending: list[Any] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += reversed(cast("list[Any]", current))
        elif isinstance(current, dict):
            found = cast("Properties", current)
            if isinstance(plan := found.get("Plan"), dict) and "Node Type" in plan:
                yield found
            elif isinstance(found.get("Node Type"), str):
                yield {"Plan": found}
            else:
                pending += reversed(list(found.values()))


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts of several lines in a parsed value: a line of a log, a ticket, a plan as a string."""
    pending: list[Any] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += reversed(cast("list[Any]", current))
        elif isinstance(current, dict):
            pending += reversed(list(cast("Properties", current).values()))
        elif isinstance(current, str) and "\n" in current:
            yield current
