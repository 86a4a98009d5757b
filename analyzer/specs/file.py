"""The spec files: read with line numbers, edited in place so that all other bytes stay the same."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeGuard, TypeVar

from pydantic import ValidationError

from analyzer.errors import ConflictError, InputError
from analyzer.objects.definition import Definition, Kind, kind_of
from analyzer.objects.index import IndexDef
from analyzer.paths import files_of, is_directory
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.edits import apply_edits, edits_of
from analyzer.specs.fields import State
from analyzer.specs.index import IndexSpec, spec_entry
from analyzer.specs.spec_file import SECTIONS, Spec, SpecFile
from analyzer.specs.spec_text import replace_all, spec_text
from analyzer.specs.statistics import StatisticsSpec, statistics_entry
from analyzer.specs.validation_errors import mistakes
from analyzer.specs.yaml_tree import MalformedError, Part, dump_mapping, parse_tree

HEADER = "# yaml-language-server: $schema=schema.json\n"

S_co = TypeVar("S_co", bound=Spec, covariant=True)
#: An object among all kinds: kind, schema, name. An index and a statistics object may have one name.
ObjectName = tuple[Kind, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSpec(Generic[S_co]):
    """One spec and where it stands."""

    file: Path
    line: int
    schema: str
    table: str
    spec: S_co
    #: The schemas that the pattern in the file stands for, which is in place of the schema until it is expanded.
    schemas: Schemas | None = None

    @property
    def where(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"

    @property
    def full_name(self) -> QualifiedName:
        """Return the object's name with its schema."""
        return QualifiedName(self.schema, self.spec.name)

    @property
    def full_table(self) -> QualifiedName:
        """Return the table's name with its schema."""
        return QualifiedName(self.schema, self.table)

    @property
    def kind(self) -> Kind:
        """Return the kind of object declared."""
        return "index" if isinstance(self.spec, IndexSpec) else "statistics"

    @property
    def key(self) -> ObjectName:
        """Return what no two specs share."""
        return self.kind, self.schema, self.spec.name


def is_index(spec: DeclaredSpec[Spec]) -> TypeGuard[DeclaredSpec[IndexSpec]]:
    """Say whether a spec declares an index."""
    return isinstance(spec.spec, IndexSpec)


def is_statistics(spec: DeclaredSpec[Spec]) -> TypeGuard[DeclaredSpec[StatisticsSpec]]:
    """Say whether a spec declares a statistics object."""
    return isinstance(spec.spec, StatisticsSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSet:
    """All specs of a directory, in the order of files, within a file indexes first."""

    specs: tuple[DeclaredSpec[Spec], ...]
    #: Tables, as (schema, name), whose file says `manage: all`, and where it says so, as (file, line).
    managed: Mapping[QualifiedName, tuple[Path, int]] = field(default_factory=dict[QualifiedName, tuple[Path, int]])
    #: Of tables whose file has a pattern in place of the schema, the schemas it stands for.
    patterns: Mapping[QualifiedName, Schemas] = field(default_factory=dict[QualifiedName, Schemas])

    @property
    def indexes(self) -> tuple[DeclaredSpec[IndexSpec], ...]:
        """Return the specs of indexes."""
        return tuple(spec for spec in self.specs if is_index(spec))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSpec:
    """A spec to write."""

    definition: Definition
    why: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: State = "proposed"
    comment: str | None = None
    #: Targets of an index's expressions: (position from 1, target).
    statistics: tuple[tuple[int, int], ...] = ()
    #: Of an index that exists: a proposal to drop it, once others take its place.
    change: Literal["retire"] | None = None
    replaced_by: tuple[str, ...] = ()
    reason: str = ""

    @property
    def key(self) -> ObjectName:
        """Return what no two specs share."""
        return kind_of(self.definition), self.definition.schema, self.definition.name

    @property
    def section(self) -> str:
        """Return the key of the file that lists its kind."""
        return (IndexSpec if isinstance(self.definition, IndexDef) else StatisticsSpec).section

    def entry(self) -> dict[str, Any]:
        """Return the YAML mapping."""
        if not isinstance(self.definition, IndexDef):
            return statistics_entry(self.definition, state=self.state, why=self.why, evidence=self.evidence)
        return spec_entry(
            self.definition,
            state=self.state,
            why=self.why,
            evidence=self.evidence,
            comment=self.comment,
            statistics=self.statistics,
            change=self.change,
            replaced_by=self.replaced_by,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """One file as text, as the tree it parses to, and as what it means."""

    path: Path
    text: str
    root: Part
    model: SpecFile

    def line_of(self, key: str) -> int:
        """Return the line of a key of the file itself."""
        pair = self.root.pair(key)
        return pair[0].line if pair else self.root.line

    def declared(self) -> tuple[DeclaredSpec[Spec], ...]:
        schema, table = self.model.schema_and_table
        schemas = self.model.schemas
        return tuple(
            DeclaredSpec(file=self.path, line=node.line, schema=schema, table=table, spec=spec, schemas=schemas)
            for node, spec in self.parts()
        )

    def parts(self) -> Iterator[tuple[Part, Spec]]:
        """Yield every spec with its place in the tree."""
        for section in SECTIONS:
            yield from zip(_items(self.root, section), self.model.section(section), strict=True)


def load_specs(directory: Path) -> SpecSet:
    """Read every `*.yaml` of a directory, its patterns as they are; raises InputError, `file:line: what; what to do`.

    What a pattern declares on the tables of a database is said by `table_patterns.expanded`.
    """
    documents = _load_documents(directory)
    managed = {d.model.schema_and_table: (d.path, d.line_of("manage")) for d in documents if d.model.manage == "all"}
    patterns = {d.model.schema_and_table: d.model.schemas for d in documents if d.model.schemas is not None}
    declared = tuple(spec for document in documents for spec in document.declared())
    return SpecSet(specs=declared, managed=managed, patterns=patterns)


def append_proposals(directory: Path, proposals: Sequence[NewSpec]) -> tuple[Path, ...]:
    """Add specs with `state: proposed` to their tables' files; see append_specs."""
    return append_specs(directory, [replace(proposal, state="proposed") for proposal in proposals])


def append_specs(directory: Path, specs: Sequence[NewSpec]) -> tuple[Path, ...]:
    """Add specs to their tables' files; returns the files written, all of them or none.

    Raises ConflictError when a name is declared already, InputError when a file cannot be read or edited.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = {document.model.schema_and_table: document for document in _load_documents(directory)}
    declared = {s.key: s.where for document in documents.values() for s in document.declared()}
    by_table: dict[QualifiedName, list[NewSpec]] = {}
    for spec in specs:
        wanted = spec.definition
        if (taken := declared.setdefault(spec.key, "this proposal")) != "this proposal":
            raise ConflictError(f"{taken}: {wanted.name} is declared already; rename one of the two")
        by_table.setdefault(wanted.full_table, []).append(spec)
    edits: dict[Path, str] = {}
    for table, new in by_table.items():
        document = documents.get(table) or _new_document(directory, table, taken=edits)
        for section in SECTIONS:
            if entries := [spec.entry() for spec in new if spec.section == section]:
                document = _parse(document.path, _append(document, section, entries))
        edits[document.path] = document.text
    return replace_all(edits)


def set_state(directory: Path, names: Iterable[str], state: State) -> tuple[Path, ...]:
    """Give the named specs a state; returns the files written, all of them or none."""
    wanted = frozenset(names)
    documents = _load_documents(directory)
    known = {spec.spec.name for document in documents for spec in document.declared()}
    if unknown := sorted(wanted - known):
        raise InputError(f"{directory}: no spec is named {', '.join(unknown)}; check the name")
    edited = {document.path: _with_state(document, wanted, state) for document in documents}
    return replace_all({d.path: edited[d.path] for d in documents if edited[d.path] != d.text})


def change_specs(directory: Path, changes: Mapping[QualifiedName, Mapping[str, object]]) -> tuple[Path, ...]:
    """Give keys of index specs, by schema and name, other values, or with None take them out.

    Returns the files written, all of them or none. Raises InputError where the layout of a file does not allow it.
    """
    edited: dict[Path, str] = {}
    for document in _load_documents(directory):
        schema, _ = document.model.schema_and_table
        current, names = document, {name.name for name in changes if name.schema == schema}
        for name in sorted(names):
            found = next((part for part, spec in current.parts() if spec.name == name and is_index_spec(spec)), None)
            if found is None:
                continue
            edits = edits_of(current.text, found, changes[QualifiedName(schema, name)])
            if not edits:
                raise _uneditable(current, found.line, "the layout cannot be edited in place", IndexSpec.section)
            current = _parse(current.path, apply_edits(current.text, edits))
        if current.text != document.text:
            edited[document.path] = current.text
    return replace_all(edited)


def is_index_spec(spec: Spec) -> TypeGuard[IndexSpec]:
    """Say whether an entry declares an index."""
    return isinstance(spec, IndexSpec)


def _load_documents(directory: Path) -> tuple[_Document, ...]:
    if not is_directory(directory):
        raise InputError(f"{directory} is not a directory of spec files; twindex pull writes one, or give --specs DIR")
    documents = tuple(_load(path) for path in files_of(directory, ".yaml"))
    tables: dict[tuple[str, str], Path] = {}
    names: dict[ObjectName, str] = {}
    for document in documents:
        table = document.model.schema_and_table
        if (first := tables.setdefault(table, document.path)) != document.path:
            raise InputError(f"{document.path}:1: {document.model.table} has a file already, {first}; merge the two")
        for spec in document.declared():
            if (other := names.setdefault(spec.key, spec.where)) != spec.where:
                raise InputError(
                    f"{spec.where}: {spec.spec.name} is already declared at {other}; rename one of the two"
                )
    return documents


def _load(path: Path) -> _Document:
    return _parse(path, spec_text(path, place=":1:"))


def _parse(path: Path, text: str) -> _Document:
    try:
        root, value = parse_tree(text)
    except MalformedError as error:
        raise InputError(f"{path}:{error.line}: not YAML, {error}; fix this line or the one above") from None
    if root is None or root.kind != "mapping":
        raise InputError(f"{path}:1: not a spec file; start with `table: schema.table` and `indexes:`")
    try:
        return _Document(path=path, text=text, root=root, model=SpecFile.model_validate(value))
    except ValidationError as error:
        first = next(mistakes(error))
        where = f"{first.place}: " if first.place else ""
        raise InputError(f"{path}:{root.line_of(first.location)}: {where}{first.what}; {first.remedy}") from None


def _items(root: Part, section: str) -> tuple[Part, ...]:
    pair = root.pair(section)
    return pair[1].items if pair else ()


def _next_line(text: str, offset: int) -> int:
    """Return the offset of the first line that begins at or after an offset."""
    if offset == 0 or text[offset - 1] == "\n":
        return offset
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def _new_document(directory: Path, table: tuple[str, str], *, taken: Mapping[Path, str]) -> _Document:
    schema, name = (
        part if re.fullmatch(r"[a-z_][a-z0-9_$]*", part) else f'"{part.replace(chr(34), chr(34) * 2)}"'
        for part in table
    )
    stem = re.sub(r"[^\w.-]", "_", ".".join(table))
    path = directory / f"{stem}.yaml"
    while os.path.lexists(path) or path in taken:  # a link to nowhere leads somewhere once it is written
        path = path.with_stem(path.stem + "_")
    text = f"{HEADER}{dump_mapping({'table': f'{schema}.{name}'})}"
    return _parse(path, text)


def _append(document: _Document, section: str, entries: Sequence[dict[str, Any]]) -> str:
    text, root = document.text, document.root
    newline = _newline(text)
    items = _items(root, section)
    pair = root.pair(section)
    if root.flow or (items and pair and pair[1].flow):
        raise _uneditable(document, root.line, "the list is written in braces", section)
    column = pair[1].column if items and pair else 2
    block = "".join(line + newline for entry in entries for line in _entry_lines(entry, column))
    start = end = _next_line(text, root.end)
    if pair is None:
        block = f"{section}:{newline}{block}"
    elif items:
        start = end = _next_line(text, pair[1].end)
    elif pair[1].kind == "sequence":  # `indexes: []`, which goes; what stands behind it stays
        start, end = pair[0].end + 1, _next_line(text, pair[1].end)
        block = text[pair[1].end : end].rstrip("\r\n") + newline + block
    else:  # `indexes:` and nothing
        start = end = _next_line(text, pair[0].end)
    if start == len(text) and not text.endswith("\n"):
        block = newline + block
    added = tuple(SECTIONS[section].model_validate(entry) for entry in entries)
    expected = {section: document.model.section(section) + added}
    return _checked(document, text[:start] + block + text[end:], expected)


def _with_state(document: _Document, names: frozenset[str], state: State) -> str:
    text = document.text
    for part, spec in sorted(document.parts(), key=lambda each: each[0].start, reverse=True):
        name = part.pair("name")
        if spec.name not in names or spec.state == state or name is None:
            continue
        if pair := part.pair("state"):
            start, end, new = pair[1].start, pair[1].end, str(state)
        elif part.flow:
            start = end = name[1].end
            new = f", state: {state}"
        else:
            start = end = _next_line(text, name[1].end)
            new = f"{' ' * name[0].column}state: {state}{_newline(text)}"
            new = new if text[:start].endswith("\n") else _newline(text) + new
        text = text[:start] + new + text[end:]
    changed = {
        section: tuple(
            spec.model_copy(update={"state": state}) if spec.name in names else spec
            for spec in document.model.section(section)
        )
        for section in SECTIONS
    }
    return _checked(document, text, changed)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _checked(document: _Document, text: str, expected: Mapping[str, tuple[Spec, ...]]) -> str:
    """Return the edited text, after making sure that its sections say what they should."""
    wanted = document.model.model_copy(update=dict(expected))
    try:
        actual = _parse(document.path, text).model
    except InputError:
        actual = None
    if actual != wanted:
        raise _uneditable(document, document.root.line, "the layout cannot be edited in place", " and ".join(expected))
    return text


def _uneditable(document: _Document, line: int, why: str, what: str) -> InputError:
    return InputError(f"{document.path}:{line}: {why}; write the {what} as a list, a dash and a line per key each")


def _entry_lines(entry: Mapping[str, object], column: int) -> Iterable[str]:
    lines = dump_mapping(entry).rstrip("\n").split("\n")
    return (" " * column + ("- " if number == 0 else "  ") + line for number, line in enumerate(lines))
