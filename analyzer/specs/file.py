"""The spec files: read with line numbers, edited in place so that every byte nobody asked to change stays."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analyzer.atomic_file import stage_file
from analyzer.errors import ConflictError, InputError
from analyzer.objects.index import IndexDef
from analyzer.paths import files_of, is_directory
from analyzer.specs.index import Spec, SpecFile, State, spec_entry
from analyzer.specs.validation_errors import mistakes
from analyzer.specs.yaml_tree import MOST_CHARACTERS, MalformedError, Part, dump_mapping, parse_tree

_MOST_BYTES = 4 * MOST_CHARACTERS
HEADER = "# yaml-language-server: $schema=schema.json\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSpec:
    """One spec and where it stands."""

    file: Path
    line: int
    schema: str
    table: str
    spec: Spec

    @property
    def where(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSet:
    """All specs of a directory, in the order of files and lines."""

    specs: tuple[DeclaredSpec, ...]
    #: Tables, as (schema, name), whose file says `manage: all`, and where it says so, as (file, line).
    managed: Mapping[tuple[str, str], tuple[Path, int]] = field(default_factory=dict[tuple[str, str], tuple[Path, int]])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSpec:
    """A spec to write."""

    index: IndexDef
    why: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: State = "proposed"
    comment: str | None = None
    #: Targets of its expressions: (position from 1, target).
    statistics: tuple[tuple[int, int], ...] = ()

    def entry(self) -> dict[str, Any]:
        """Return the YAML mapping."""
        return spec_entry(
            self.index,
            state=self.state,
            why=self.why,
            evidence=self.evidence,
            comment=self.comment,
            statistics=self.statistics,
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

    def declared(self) -> tuple[DeclaredSpec, ...]:
        schema, table = self.model.schema_and_table
        return tuple(
            DeclaredSpec(file=self.path, line=node.line, schema=schema, table=table, spec=spec)
            for node, spec in zip(_items(self.root), self.model.indexes, strict=True)
        )


def load_specs(directory: Path) -> SpecSet:
    """Read every `*.yaml` of a directory; raises InputError, `file:line: what; what to do`."""
    documents = _load_documents(directory)
    managed = {d.model.schema_and_table: (d.path, d.line_of("manage")) for d in documents if d.model.manage == "all"}
    return SpecSet(specs=tuple(spec for document in documents for spec in document.declared()), managed=managed)


def append_proposals(directory: Path, proposals: Sequence[NewSpec]) -> tuple[Path, ...]:
    """Add specs with `state: proposed` to their tables' files; see append_specs."""
    return append_specs(directory, [replace(proposal, state="proposed") for proposal in proposals])


def append_specs(directory: Path, specs: Sequence[NewSpec]) -> tuple[Path, ...]:
    """Add specs to their tables' files; returns the files written, all of them or none.

    Raises ConflictError when a name is declared already, InputError when a file cannot be read or edited.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = {document.model.schema_and_table: document for document in _load_documents(directory)}
    declared = {(s.schema, s.spec.name): s.where for document in documents.values() for s in document.declared()}
    by_table: dict[tuple[str, str], list[NewSpec]] = {}
    for spec in specs:
        index = spec.index
        if (taken := declared.setdefault((index.schema, index.name), "this proposal")) != "this proposal":
            raise ConflictError(f"{taken}: {index.name} is declared already; rename one of the two")
        by_table.setdefault(index.full_table, []).append(spec)
    edits: dict[Path, str] = {}
    for table, new in by_table.items():
        document = documents.get(table) or _new_document(directory, table, taken=edits)
        edits[document.path] = _append(document, [spec.entry() for spec in new])
    return _replace_all(edits)


def set_state(directory: Path, names: Iterable[str], state: State) -> tuple[Path, ...]:
    """Give the named specs a state; returns the files written, all of them or none."""
    wanted = frozenset(names)
    documents = _load_documents(directory)
    known = {spec.name for document in documents for spec in document.model.indexes}
    if unknown := sorted(wanted - known):
        raise InputError(f"{directory}: no spec is named {', '.join(unknown)}; check the name")
    edited = {document.path: _with_state(document, wanted, state) for document in documents}
    return _replace_all({d.path: edited[d.path] for d in documents if edited[d.path] != d.text})


def _load_documents(directory: Path) -> tuple[_Document, ...]:
    if not is_directory(directory):
        raise InputError(f"{directory} is not a directory of spec files; give --specs DIR")
    documents = tuple(_load(path) for path in files_of(directory, ".yaml"))
    tables: dict[tuple[str, str], Path] = {}
    names: dict[tuple[str, str], str] = {}
    for document in documents:
        table = document.model.schema_and_table
        if (first := tables.setdefault(table, document.path)) != document.path:
            raise InputError(f"{document.path}:1: {document.model.table} has a file already, {first}; merge the two")
        for spec in document.declared():
            if (other := names.setdefault((spec.schema, spec.spec.name), spec.where)) != spec.where:
                raise InputError(
                    f"{spec.where}: {spec.spec.name} is declared already at {other}; rename one of the two"
                )
    return documents


def _load(path: Path) -> _Document:
    return _parse(path, spec_text(path, place=":1:"))


def spec_text(path: Path, *, place: str = "") -> str:
    """Read a spec file, a regular one of a bounded size; raises InputError that names it, and the place in it."""
    reason = "it is not UTF-8"
    target = _within(path, place)
    try:
        # Opening a pipe would wait for a writer.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            content = file.read(_MOST_BYTES + 1) if regular else b""
        if regular and len(content) <= _MOST_BYTES:
            return content.decode("utf-8")
        reason = f"it is larger than {_MOST_BYTES:,} bytes" if regular else "not a regular file"
    except OSError as error:
        reason = str(error.strerror)
    except UnicodeDecodeError:
        pass
    raise InputError(f"{path}{place} cannot be read ({reason}); fix the file")


def _within(path: Path, place: str = "") -> Path:
    """Follow links, which in a repository may lead anywhere; raises InputError for one out of its directory."""
    try:
        target = path.resolve()
        inside = target.is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError):  # a link to itself
        target, inside = path, False
    if not inside:
        raise InputError(f"{path}{place} is a link that leads out of its directory; put the file itself there")
    return target


def _parse(path: Path, text: str) -> _Document:
    try:
        root, value = parse_tree(text)
    except MalformedError as error:
        raise InputError(f"{path}:{error.line}: not YAML, {error}; mend the line or the one above") from None
    if root is None or root.kind != "mapping":
        raise InputError(f"{path}:1: no spec file; begin with `table: schema.table` and `indexes:`")
    try:
        return _Document(path=path, text=text, root=root, model=SpecFile.model_validate(value))
    except ValidationError as error:
        first = next(mistakes(error))
        where = f"{first.place}: " if first.place else ""
        raise InputError(f"{path}:{_line_of(root, first.location)}: {where}{first.what}; {first.remedy}") from None


def _line_of(root: Part, location: Sequence[int | str]) -> int:
    """Find the line of the deepest part of a pydantic location that the file holds."""
    part, line = root, root.line
    for step in location:
        if pair := part.pair(str(step)):
            line, part = pair[0].line, pair[1]
        elif isinstance(step, int) and step < len(part.items):
            part = part.items[step]
            line = part.line
        else:
            break
    return line


def _items(root: Part) -> tuple[Part, ...]:
    pair = root.pair("indexes")
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
    text = f"{HEADER}{dump_mapping({'table': f'{schema}.{name}'})}indexes:\n"
    return _parse(path, text)


def _append(document: _Document, entries: Sequence[dict[str, Any]]) -> str:
    text, root = document.text, document.root
    newline = _newline(text)
    items = _items(root)
    pair = root.pair("indexes")
    if root.flow or (items and pair and pair[1].flow):
        raise _uneditable(document, root.line, "the list is written in braces")
    column = pair[1].column if items and pair else 2
    block = "".join(line + newline for entry in entries for line in _entry_lines(entry, column))
    start = end = _next_line(text, root.end)
    if pair is None:
        block = f"indexes:{newline}{block}"
    elif items:
        start = end = _next_line(text, pair[1].end)
    elif pair[1].kind == "sequence":  # `indexes: []`, which goes; what stands behind it stays
        start, end = pair[0].end + 1, _next_line(text, pair[1].end)
        block = text[pair[1].end : end].rstrip("\r\n") + newline + block
    else:  # `indexes:` and nothing
        start = end = _next_line(text, pair[0].end)
    if start == len(text) and not text.endswith("\n"):
        block = newline + block
    expected = document.model.indexes + tuple(Spec.model_validate(entry) for entry in entries)
    return _checked(document, text[:start] + block + text[end:], expected)


def _with_state(document: _Document, names: frozenset[str], state: State) -> str:
    text = document.text
    for part, spec in reversed(list(zip(_items(document.root), document.model.indexes, strict=True))):
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
    changed = (s.model_copy(update={"state": state}) if s.name in names else s for s in document.model.indexes)
    return _checked(document, text, tuple(changed))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _checked(document: _Document, text: str, expected: tuple[Spec, ...]) -> str:
    """Return the edited text, after making sure that it says what it should."""
    wanted = document.model.model_copy(update={"indexes": expected})
    try:
        actual = _parse(document.path, text).model
    except InputError:
        actual = None
    if actual != wanted:
        raise _uneditable(document, document.root.line, "the layout cannot be edited in place")
    return text


def _uneditable(document: _Document, line: int, why: str) -> InputError:
    return InputError(f"{document.path}:{line}: {why}; write the indexes as a list, a dash and a line per key each")


def _entry_lines(entry: Mapping[str, object], column: int) -> Iterable[str]:
    lines = dump_mapping(entry).rstrip("\n").split("\n")
    return (" " * column + ("- " if number == 0 else "  ") + line for number, line in enumerate(lines))


def _replace_all(edits: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write several files, all of them or none; each is complete beside its target before any is replaced."""
    staged: dict[Path, Path] = {}
    undo: list[Callable[[], object]] = []
    writing = Path()
    try:
        for writing, text in edits.items():
            target = _within(writing)
            staged[target] = _stage(target, text)
        for writing, temporary in staged.items():
            before = writing.read_bytes() if writing.exists() else None
            temporary.replace(writing)
            undo.append(writing.unlink if before is None else lambda t=writing, b=before: t.write_bytes(b))
    except OSError as error:
        for step in undo:
            step()
        raise InputError(f"{writing} cannot be written ({error.strerror}); nothing was changed") from None
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
    return tuple(edits)


def _stage(target: Path, text: str) -> Path:
    """Write what is to replace a file, with the mode that it has."""
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mode = None
    return stage_file(target, text.encode(), mode=mode)
