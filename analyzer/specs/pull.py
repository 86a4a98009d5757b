"""Write specs from the indexes that exist."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.atomic_file import replace_file
from analyzer.documents.snapshot import Index, NotExamined, Snapshot
from analyzer.paths import is_directory, is_there
from analyzer.postgres.access_methods import METHODS
from analyzer.specs.file import NewSpec, append_specs, load_specs
from analyzer.specs.index import json_schema
from analyzer.sql import ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What was written."""

    files: tuple[Path, ...]
    #: Quoted, qualified names of the indexes now declared.
    indexes: tuple[str, ...]
    #: Indexes that exist and that no spec can say or should.
    left_out: tuple[NotExamined, ...]


def pull(snapshot: Snapshot, directory: Path, *, tables: Collection[tuple[str, str]] = ()) -> Pulled:
    """Declare every index that no spec of the directory names, on the given tables or on all.

    Files that exist get their table's missing indexes appended, and not one other byte of them changes.
    """
    specs = load_specs(directory).specs if is_directory(directory) else ()
    named = {(spec.schema, spec.spec.name) for spec in specs}
    chosen = [
        index
        for index in snapshot.indexes
        if (index.definition.schema, index.definition.name) not in named
        and (not tables or index.definition.full_table in tables)
    ]
    left_out = tuple(_left_out(chosen))
    unwritable = {gap.what for gap in left_out}
    new = [
        NewSpec(
            index=index.definition,
            state="approved",
            comment=index.comment,
            statistics=index.statistics_targets,
        )
        for index in chosen
        if _declarable(index) and index.definition.qualified_name not in unwritable
    ]
    files = append_specs(directory, new) if new else ()
    schema = directory / "schema.json"
    if files and not is_there(schema):
        replace_file(schema, json_schema(), mode=None)
    return Pulled(files=files, indexes=tuple(ident(n.index.schema, n.index.name) for n in new), left_out=left_out)


def _declarable(index: Index) -> bool:
    """Say whether an index is declared by itself: not by a constraint, nor by a partitioned table's index."""
    return index.constraint is None and not index.primary and index.parent is None


def _left_out(indexes: Sequence[Index]) -> Iterator[NotExamined]:
    for index in indexes:
        definition = index.definition
        if not _declarable(index):
            continue
        if definition.method not in METHODS:
            reason = f"no spec can say USING {definition.method}"
        elif not index.valid:
            reason = "it is INVALID; drop it, or build it again and pull then"
        else:
            continue
        yield NotExamined(what=definition.qualified_name, reason=reason)
