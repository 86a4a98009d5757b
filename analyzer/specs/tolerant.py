"""Spec files as far as they can be read: one mistake does not hide the next, and comments are kept."""

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeGuard, TypeVar, cast

from pydantic import ValidationError

from analyzer.errors import InputError
from analyzer.paths import files_of, is_directory, is_file
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.fields import parse_tables
from analyzer.specs.file import DeclaredSpec
from analyzer.specs.index import IndexSpec
from analyzer.specs.spec_file import SECTIONS, Spec, SpecFile
from analyzer.specs.spec_text import spec_text
from analyzer.specs.statistics import StatisticsSpec
from analyzer.specs.validation_errors import mistakes
from analyzer.specs.yaml_tree import MalformedError, Part, lines_of, parse_tree

S_co = TypeVar("S_co", bound=Spec, covariant=True)

#: Where something stands within a spec, such as ("keys", 0, "opclass").
Location = Sequence[int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A YAML comment, without its sign."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a file that the model refuses."""

    line: int
    message: str
    #: Within the spec, or within the file when no spec is concerned.
    location: tuple[int | str, ...] = ()
    #: The value refused.
    value: object = None
    #: The spec as written, when one is concerned and is a mapping.
    entry: Mapping[str, Any] | None = None
    #: Where that spec stands, when one is concerned.
    part: Part | None = None
    #: Section of the file that it is in.
    section: str | None = None

    @property
    def spec_line(self) -> int | None:
        """Return the first line of that spec."""
        return None if self.part is None else self.part.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[S_co]):
    """One spec, and where its parts stand."""

    declared: DeclaredSpec[S_co]
    part: Part
    #: Last line of the spec.
    last_line: int
    #: The whole file.
    text: str = field(repr=False)

    def line(self, location: Location) -> int:
        """Return the line of the deepest part of a location that the file holds."""
        return self.part.line_of(location)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One spec file."""

    path: Path
    text: str = field(default="", repr=False)
    #: As written, `schema.table`; empty when the file does not say.
    table: str = ""
    #: Whether a revision drops what the file does not declare.
    manages_all: bool = False
    #: Specs of indexes.
    entries: tuple[Entry[IndexSpec], ...] = ()
    #: Specs of statistics objects.
    statistics: tuple[Entry[StatisticsSpec], ...] = ()
    problems: tuple[Problem, ...] = ()
    comments: tuple[Comment, ...] = ()
    #: First and last line of every spec, also of those that cannot be read.
    spans: tuple[tuple[int, int], ...] = ()


def load_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """Read spec files, and every `*.yaml` of directories; raises InputError for a path that is neither."""
    files: dict[Path, None] = {}
    for path in paths:
        if is_directory(path):
            files |= dict.fromkeys(files_of(path, ".yaml"))
        elif is_file(path):
            files[path] = None
        else:
            raise InputError(f"{path} is neither a spec file nor a directory; specify an existing one")
    return tuple(_load(path) for path in files)


def _load(path: Path) -> Source:
    text = spec_text(path)
    try:
        root, value = parse_tree(text)
    except MalformedError as error:
        return Source(path=path, problems=(Problem(line=error.line, message=f"not YAML, {error}"),))
    if root is None or not isinstance(value, dict):
        message = "not a spec file; start with `table: schema.table` and `indexes:`"
        return Source(path=path, problems=(Problem(line=1, message=message),))
    return _read(path, text, root, cast("dict[str, Any]", value))


def _read(path: Path, text: str, root: Part, value: dict[str, Any]) -> Source:
    listed = {name: value[name] for name in SECTIONS if isinstance(value.get(name), list)}
    problems = list(_problems(SpecFile, value | dict.fromkeys(listed, ()), root))
    table = str(value.get("table", ""))
    parsed = _parsed(value)
    entries: list[Entry[Spec]] = []
    spans: list[tuple[int, int]] = []
    for section, model in SECTIONS.items():
        pair = root.pair(section)
        for part, entry in zip(pair[1].items if pair else (), listed.get(section, ()), strict=True):
            last = text.count("\n", 0, max(part.end - 1, part.start)) + 1
            spans.append((part.line, last))
            found = list(_problems(model, entry, part))
            problems += found
            if not found and parsed is not None:
                (schema, name), schemas = parsed
                spec = model.model_validate(entry)
                declared = DeclaredSpec(
                    file=path, line=part.line, schema=schema, table=name, spec=spec, schemas=schemas
                )
                entries.append(Entry(declared=declared, part=part, last_line=last, text=text))
    return Source(
        path=path, text=text, table=table, manages_all=value.get("manage") == "all",
        problems=tuple(problems), comments=tuple(_comments(text, root)),
        entries=tuple(entry for entry in entries if _of_index(entry)),
        statistics=tuple(entry for entry in entries if _of_statistics(entry)),
        spans=tuple(spans),
    )  # fmt: skip


def _of_index(entry: Entry[Spec]) -> TypeGuard[Entry[IndexSpec]]:
    return isinstance(entry.declared.spec, IndexSpec)


def _of_statistics(entry: Entry[Spec]) -> TypeGuard[Entry[StatisticsSpec]]:
    return isinstance(entry.declared.spec, StatisticsSpec)


def _parsed(value: Mapping[str, Any]) -> tuple[QualifiedName, Schemas | None] | None:
    exceptions = value.get("except_schemas") or ()
    try:
        return parse_tables(str(value.get("table", "")), [str(each) for each in exceptions])
    except (TypeError, ValueError):  # said of the file
        return None


def _problems(model: type[Spec | SpecFile], value: object, part: Part) -> Iterator[Problem]:
    entry = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) and model is not SpecFile else None
    try:
        model.model_validate(value)
    except ValidationError as error:
        for each in mistakes(error):
            where = f"{each.place}: " if each.place else ""
            yield Problem(
                line=part.line_of(each.location),
                message=f"{where}{each.what}; {each.remedy}",
                location=each.location,
                value=each.value,
                entry=entry,
                part=None if model is SpecFile else part,
                section=None if issubclass(model, SpecFile) else model.section,
            )


def _comments(text: str, root: Part) -> Iterator[Comment]:
    """Find the comments: a # at the start of a line or after a space, outside every scalar."""
    scalars = sorted(_scalars(root))
    starts = [start for start, _ in scalars]
    offset = 0
    for number, line in enumerate(lines_of(text), 1):
        for at, sign in enumerate(line):
            if sign != "#" or (at and not line[at - 1].isspace()):
                continue
            position = offset + at
            before = bisect.bisect_right(starts, position)
            if not before or position >= scalars[before - 1][1]:
                yield Comment(line=number, text=line[at + 1 :].strip())
                break
        offset += len(line)


def _scalars(part: Part) -> Iterator[tuple[int, int]]:
    if part.kind == "scalar":
        yield part.start, part.end
    for pair in part.pairs:
        for each in pair:
            yield from _scalars(each)
    for item in part.items:
        yield from _scalars(item)
