"""YAML as a tree that knows where each part stands in the text, and YAML written in the style of the spec files."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.parser import Parser
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from analyzer.sql import shortened
from analyzer.visible import one_line, visible, visible_yaml

_LINE_WIDTH = 110
#: Bounds of a file, some fifty times beyond that of a table with fifty indexes.
MOST_CHARACTERS = 500_000
MOST_LEVELS = 20
#: Characters of a key or a value that a message shows: what is no spec file may be anything.
MOST_SHOWN = 60
#: Characters of a number.
_LONGEST_NUMBER = 100


class MalformedError(ValueError):
    """Text that is not one YAML document."""

    def __init__(self, *, line: int, problem: str) -> None:
        """Say what is wrong at which line, counted from 1."""
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A scalar, mapping or sequence of a YAML text."""

    kind: Literal["scalar", "mapping", "sequence"]
    #: Written in braces or brackets.
    flow: bool
    #: Counted from 1.
    line: int
    column: int
    #: Offsets of the first character and of the one after the last; comments after a block are left out.
    start: int
    end: int
    #: Keys and values of a mapping, in order.
    pairs: tuple[tuple["Part", "Part"], ...] = ()
    #: Members of a sequence.
    items: tuple["Part", ...] = ()
    #: A scalar's text.
    text: str = ""

    def pair(self, key: str) -> tuple["Part", "Part"] | None:
        """Return the key and the value of one entry of a mapping."""
        return next((pair for pair in self.pairs if pair[0].text == key), None)

    def line_of(self, location: Sequence[int | str]) -> int:
        """Return the line of the deepest part of a location that the tree holds."""
        part, line = self, self.line
        for step in location:
            if pair := part.pair(str(step)):
                line, part = pair[0].line, pair[1]
            elif isinstance(step, int) and step < len(part.items):
                part = part.items[step]
                line = part.line
            else:
                break
        return line


def parse_tree(text: str) -> tuple[Part | None, object]:
    """Parse one YAML 1.2 document into its tree (None if it is empty) and its plain value.

    Raises MalformedError.
    """
    if len(text) > MOST_CHARACTERS:
        raise MalformedError(line=1, problem=f"it is longer than {MOST_CHARACTERS:,} characters")
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Parser = _StrictParser
    try:
        root: Any = yaml.compose(text)
        if root is None:
            return None, None
        _refuse_odd_scalars(yaml, root)
        value: object = yaml.constructor.construct_document(root)
        return _part(root), value
    except YAMLError as error:
        facts: Any = error
        mark = getattr(facts, "problem_mark", None)
        problem = getattr(facts, "problem", None) or facts
        line = text.count("\n", 0, getattr(facts, "position", 0)) if mark is None else mark.line
        raise MalformedError(line=line + 1, problem=shortened(one_line(str(problem)), 2 * MOST_SHOWN)) from None


class _StrictParser(Parser):
    """Refuses what makes of a short text a large value, or of any text another object; raises MalformedError."""

    _depth = 0

    def get_event(self) -> Any:
        event = cast("Any", super().get_event())  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml is partly typed
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise MalformedError(line=line, problem="anchors (&) and aliases (*) are not supported in a spec file")
        if getattr(event, "ctag", None) is not None and str(event.ctag) not in ("", "None", "!"):
            tag = shortened(str(event.ctag), MOST_SHOWN)
            raise MalformedError(line=line, problem=f"tags are not supported in a spec file ({tag})")
        self._depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if self._depth > MOST_LEVELS:
            raise MalformedError(line=line, problem=f"it is nested more than {MOST_LEVELS} deep")
        return event


def _refuse_odd_scalars(yaml: Any, root: Any) -> None:
    """Refuse invalid numbers and dates, such as 2027-02-30 and an integer of a million digits."""
    remaining = [root]
    while remaining:
        node = remaining.pop()
        if node.id == "mapping":
            remaining += [part for pair in node.value for part in pair]
        elif node.id == "sequence":
            remaining += node.value
        elif not str(node.tag).endswith((":str", ":null", ":bool")) and not _is_ordinary(yaml, node):
            problem = f"{shortened(node.value, MOST_SHOWN)!r} is out of range for a number or a date"
            raise MalformedError(line=node.start_mark.line + 1, problem=problem)


def _is_ordinary(yaml: Any, node: Any) -> bool:
    if len(node.value) > _LONGEST_NUMBER:
        return False
    try:
        yaml.constructor.construct_object(node)
    except (ValueError, OverflowError):
        return False
    return True


def _part(node: Any) -> Part:
    kind: Literal["scalar", "mapping", "sequence"] = node.id
    flow = kind != "scalar" and bool(node.flow_style)
    pairs = tuple((_part(key), _part(value)) for key, value in node.value) if kind == "mapping" else ()
    items = tuple(_part(item) for item in node.value) if kind == "sequence" else ()
    inside = [part.end for pair in pairs for part in pair] + [part.end for part in items]
    return Part(
        kind=kind,
        flow=flow,
        line=node.start_mark.line + 1,
        column=node.start_mark.column,
        start=node.start_mark.index,
        # The end mark of a block runs on over the comments after it.
        end=max(inside) if inside and not flow else node.end_mark.index,
        pairs=pairs,
        items=items,
        text=node.value if kind == "scalar" else "",
    )


def lines_of(text: str) -> list[str]:
    """Cut a text into lines with their ends, where its line numbers count: not at U+2028 and other separators."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def dump_mapping(mapping: Mapping[str, object]) -> str:
    """Write a mapping, each of its keys on its own line; what they hold in braces unless that makes a long line."""
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    body = CommentedMap()
    for key, value in mapping.items():
        short = len(f"{key}: {value}") <= _LINE_WIDTH or not isinstance(value, Mapping)
        body[key] = _styled(cast("object", value), flow=short)
    stream = io.StringIO()
    yaml.dump(body, stream)  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml is partly typed
    return visible_yaml(stream.getvalue())


def dump_flow(mapping: Mapping[str, object]) -> str:
    """Write the pairs of a mapping as they stand between braces, on one line."""
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    stream = io.StringIO()
    yaml.dump(_styled(mapping), stream)  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml is partly typed
    return visible_yaml(stream.getvalue().strip()[1:-1])


def _styled(value: object, *, flow: bool = True) -> object:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        mapping = CommentedMap((_styled(str(key)), _styled(item)) for key, item in pairs)
        if flow:
            mapping.fa.set_flow_style()  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml is partly typed
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(_styled(item) for item in cast("Sequence[object]", value))
        sequence.fa.set_flow_style()  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml is partly typed
        return sequence
    # ruamel.yaml leaves a question mark at the start unquoted, which in braces is no longer text.
    if isinstance(value, str) and (not value.isprintable() or visible(value) != value or value.startswith("?")):
        return DoubleQuotedScalarString(value)
    return value
