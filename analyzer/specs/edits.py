"""Say which characters of a spec file to replace so that a spec says something else; nothing around them changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyzer.specs.spec_file import SECTIONS
from analyzer.specs.yaml_tree import MalformedError, Part, dump_flow, dump_mapping, lines_of, parse_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One replacement; lines and columns are counted from 1, the end is the first character that stays."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    start: int
    end: int
    text: str


def edits_of(text: str, spec: Part, changed: Mapping[str, object]) -> tuple[Edit, ...]:
    """Give keys of a spec other values, or with None take them out; in the order of the file.

    Empty when the layout does not allow it: the file that comes of the edits is read again to make sure.
    """
    changes = sorted(_changes(text, spec, changed), key=lambda change: change.start)
    if not changes or _value(_applied(text, changes)) != _expected(text, spec, changed):
        return ()
    return tuple(_edit(text, change) for change in changes)


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with edits made."""
    lines = lines_of(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for edit in reversed(edits):
        start, end = starts[edit.line - 1] + edit.column - 1, starts[edit.end_line - 1] + edit.end_column - 1
        text = text[:start] + edit.text + text[end:]
    return text


def _changes(text: str, spec: Part, changed: Mapping[str, object]) -> Iterator[_Change]:
    new: dict[str, object] = {}
    for name, value in changed.items():
        pair = spec.pair(name)
        if pair is None:
            new |= {} if value is None else {name: value}
        elif value is None:
            yield _removal(text, spec, pair)
        else:
            yield _Change(start=pair[0].start, end=pair[1].end, text=_pairs(text, spec, {name: value}))
    if new and spec.flow:
        yield _Change(start=spec.pairs[-1][1].end, end=spec.pairs[-1][1].end, text=f", {dump_flow(new)}")
    elif new:
        at = _next_line(text, spec.end)
        written = " " * spec.column + _pairs(text, spec, new) + _newline(text)
        yield _Change(start=at, end=at, text=written if text[:at].endswith("\n") else _newline(text) + written)


def _pairs(text: str, spec: Part, pairs: Mapping[str, object]) -> str:
    """Write pairs as they stand in the spec, the first without its indentation."""
    if spec.flow:
        return dump_flow(pairs)
    return dump_mapping(pairs).rstrip("\n").replace("\n", _newline(text) + " " * spec.column)


def _removal(text: str, spec: Part, pair: tuple[Part, Part]) -> _Change:
    position = spec.pairs.index(pair)
    first, last = position == 0, position == len(spec.pairs) - 1
    if spec.flow and last and not first:
        return _Change(start=spec.pairs[position - 1][1].end, end=pair[1].end, text="")
    if (spec.flow or first) and not last:
        return _Change(start=pair[0].start, end=spec.pairs[position + 1][0].start, text="")
    start = text.rfind("\n", 0, pair[0].start) + 1
    return _Change(start=start, end=_next_line(text, pair[1].end), text="")


def _applied(text: str, changes: Sequence[_Change]) -> str:
    for change in reversed(changes):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def _value(text: str) -> Any:
    try:
        return parse_tree(text)[1]
    except MalformedError:
        return None


def _expected(text: str, spec: Part, changed: Mapping[str, object]) -> object:
    """Return what the whole file is to say: one spec is another, the others are as they were."""
    root, value = parse_tree(text)
    whole: Any = value
    for section in SECTIONS:
        pair = root.pair(section) if root is not None else None
        for number, part in enumerate(pair[1].items if pair else ()):
            if (part.line, part.column) == (spec.line, spec.column):
                entries = list(whole[section])
                merged = {**entries[number], **changed}
                entries[number] = {name: value for name, value in merged.items() if value is not None}
                return whole | {section: entries}
    return whole


def _edit(text: str, change: _Change) -> Edit:
    line, column = _position(text, change.start)
    end_line, end_column = _position(text, change.end)
    return Edit(line=line, column=column, end_line=end_line, end_column=end_column, text=change.text)


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _next_line(text: str, offset: int) -> int:
    end = text.find("\n", max(offset - 1, 0))
    return len(text) if end < 0 else end + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
