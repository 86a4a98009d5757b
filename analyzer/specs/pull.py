"""Write specs from the objects that exist: indexes and statistics."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from analyzer.documents.snapshot import Index, NotExamined, Snapshot
from analyzer.paths import is_directory
from analyzer.postgres.access_methods import METHODS
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.sql_ascii import has_other_bytes
from analyzer.specs.existing import Existing, existing_objects, key_of, table_of
from analyzer.specs.file import NewSpec, append_specs, load_specs
from analyzer.specs.spec_file import write_schema
from analyzer.specs.table_patterns import expanded, tables_of

_NO_MODELS: Mapping[QualifiedName, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What was written."""

    files: tuple[Path, ...]
    #: Quoted, qualified names of the objects now declared.
    objects: tuple[str, ...]
    #: Objects that exist and that no spec can say or should.
    left_out: tuple[NotExamined, ...]
    #: How models declare indexes that exist, whether left to them or declared now as well.
    of_models: tuple[str, ...]
    #: Objects of tables that the project's rules leave out.
    of_others: int


def pull(
    snapshot: Snapshot,
    directory: Path,
    *,
    tables: Collection[tuple[str, str]] = (),
    models: Mapping[QualifiedName, str] = _NO_MODELS,
    includes: Callable[[QualifiedName], bool] = lambda _: True,
    adopt: bool = False,
) -> Pulled:
    """Declare every object that no spec of the directory names, on the given tables or on all that are included.

    The indexes in `models`, which says how each is declared, stay with their models unless `adopt`.
    Files that exist get what is missing of their table appended, and not one other byte of them changes.
    """
    specs = expanded(load_specs(directory), tables_of(snapshot)).specs if is_directory(directory) else ()
    named = {spec.key for spec in specs}
    found = [
        each
        for each in existing_objects(snapshot)
        if key_of(each) not in named and (not tables or table_of(each) in tables) and _declarable(each)
    ]
    own = [each for each in found if includes(QualifiedName(*table_of(each)))]
    of_models = [each for each in own if isinstance(each, Index) and each.definition.full_name in models]
    chosen = own if adopt else [each for each in own if each not in of_models]
    obstacles = [(each, _obstacle(each)) for each in chosen]
    new = [_new_spec(each) for each, obstacle in obstacles if obstacle is None]
    files = append_specs(directory, new) if new else ()
    if files:
        write_schema(directory)
    return Pulled(
        files=files,
        objects=tuple(each.definition.qualified_name for each in new),
        left_out=tuple(
            NotExamined(what=each.definition.qualified_name, reason=obstacle)
            for each, obstacle in obstacles
            if obstacle is not None
        ),
        of_models=tuple(models[each.definition.full_name] for each in of_models),
        of_others=len(found) - len(own),
    )


def _new_spec(existing: Existing) -> NewSpec:
    if isinstance(existing, Index):
        definition, targets = existing.definition, existing.statistics_targets
        return NewSpec(definition=definition, state="approved", comment=existing.comment, statistics=targets)
    return NewSpec(definition=existing.definition, state="approved")


def _declarable(existing: Existing) -> bool:
    """Say whether an object is declared by itself: an index not by a constraint or by a partitioned table's index."""
    if not isinstance(existing, Index):
        return True
    return existing.constraint is None and not existing.primary and existing.parent is None


def _obstacle(existing: Existing) -> str | None:
    """Say why no spec can declare an object."""
    if isinstance(existing, Index) and existing.definition.method not in METHODS:
        return f"no spec can say USING {existing.definition.method}"
    if has_other_bytes(existing.definition.ddl()):
        return "a name or an expression of it is not UTF-8, and the encoding of the database is unknown (SQL_ASCII)"
    if not isinstance(existing, Index):
        if existing.table_schema == existing.definition.schema:
            return None
        return f"a spec declares statistics in the schema of their table, and theirs is {existing.qualified_table}"
    return None if existing.valid else "it is INVALID; drop it, or rebuild it and run twindex pull again"
