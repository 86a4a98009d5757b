"""List what creates each captured object, in the order in which they are created."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from psycopg import sql

from analyzer.documents.snapshot import (
    Column,
    ExtendedStatistics,
    Extension,
    FunctionDef,
    Index,
    ObjectDef,
    Relation,
    Snapshot,
    TypeDef,
)
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.postgres.tablespaces import DEFAULT_TABLESPACE
from analyzer.sql import render
from analyzer.twin.schema.clock import freeze_clock
from analyzer.twin.schema.order import in_order, referenced_by
from analyzer.twin.schema.row_security import policy_statements
from analyzer.twin.schema.trusted_options import without_trusted_options
from analyzer.twin.server.containment import CAPTURED

#: A default that draws from a sequence, as pg_get_expr prints it.
NEXTVAL = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")
#: Kinds that only a superuser creates.
_PRIVILEGED = frozenset({"text search parser", "text search template", "operator family", "operator class"})
#: CREATE TABLE takes the storage of a column since then.
_STORAGE = 16
#: Characters of a row that fits into a page in any encoding.
_NARROW = BLOCK_BYTES // 8

Source = Extension | TypeDef | FunctionDef | ObjectDef | Relation | Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """The statements that create one object."""

    what: str
    queries: tuple[sql.SQL, ...]
    #: What it is, where statements may miss it.
    source: Source | None = None
    #: OIDs of what it is a part of; it is missing with any of them.
    of: tuple[int, ...] = ()
    #: What else is not what it was without it.
    also: tuple[Relation, ...] = ()
    #: Whether only a superuser can create it; its text then holds names and constants alone.
    is_privileged: bool = False
    #: Whether it is created by one statement that cannot be in a transaction with others.
    is_alone: bool = False

    @property
    def has_body(self) -> bool:
        """Say whether it is a function, which what comes behind it could run."""
        return isinstance(self.source, FunctionDef)


Stage = Callable[[Snapshot], Iterable[Creation]]


def called(source: Source | ExtendedStatistics) -> str:  # noqa: PLR0911 - one return a kind
    """Name an object as NotExamined does."""
    if isinstance(source, Extension):
        return f"extension {source.name}"
    if isinstance(source, ObjectDef):
        return f"{source.kind} {source.identity}"
    if isinstance(source, Index):
        return f"index {source.definition.schema}.{source.definition.name}"
    name = f"{source.schema_name}.{source.name}"
    match source:
        case FunctionDef():
            return f"function {name}({source.arguments})"
        case TypeDef():
            return f"type {name}"
        case ExtendedStatistics():
            return f"extended statistics {name}"
        case Relation():
            return name


def schemas_and_extensions(snapshot: Snapshot) -> Iterator[Creation]:
    """Yield the schemas and extensions, which a superuser creates."""
    for schema in snapshot.schemas:
        query = render("twin/create_schema", schema=schema, owner=CAPTURED)
        yield Creation(what=f"schema {schema}", queries=(query,), is_privileged=True)
    for extension in snapshot.extensions:
        if extension.name != "plpgsql":
            query = render("twin/create_extension", extension=extension)
            yield Creation(what=called(extension), queries=(query,), source=extension, is_privileged=True)


def objects(snapshot: Snapshot, *, major: int) -> Iterator[Creation]:
    """Yield everything that has a definition of its own, each behind what it depends on.

    `major` is that of the server that creates it. Beyond that order: tables in the order of their OIDs, in which the
    planner takes children, and likewise indexes, of which the first one wins where two cost the same.
    """
    found = dict[int, Creation]()
    for place, (oid, creation) in enumerate(
        (*_described(snapshot), *_tables(snapshot, major), *_on_tables(snapshot)), 1
    ):
        found[oid if oid and oid not in found else -place] = creation
    for oid in in_order(found, referenced_by(snapshot.dependencies)):
        yield found[oid]
    for statistics in snapshot.extended_statistics:
        query = render("twin/create_statistics", statistics=statistics)
        table = snapshot.relation(statistics.table_schema, statistics.table)
        yield Creation(what=called(statistics), queries=(query,), of=_oids(table))


def _described(snapshot: Snapshot) -> Iterator[tuple[int, Creation]]:
    for item in snapshot.types:
        yield item.oid, Creation(what=called(item), queries=(render("twin/create_type", type=item),), source=item)
    own = [_object(item) for item in snapshot.objects if item.table is None]
    yield from (each for each in own if not each[1].is_privileged)
    for function in snapshot.functions:
        query = render("twin/create_function", definition=without_trusted_options(function.definition))
        yield function.oid, Creation(what=called(function), queries=(query,), source=function)
    yield from (each for each in own if each[1].is_privileged)


def _object(item: ObjectDef) -> tuple[int, Creation]:
    queries = tuple(render("twin/create_object", statement=freeze_clock(text)) for text in item.definition)
    return item.oid, Creation(what=called(item), queries=queries, source=item, is_privileged=_is_privileged(item))


def _is_privileged(item: ObjectDef) -> bool:
    (text, *_) = item.definition
    return (
        item.kind in _PRIVILEGED
        or (item.kind == "collation" and item.schema_name == "pg_catalog")
        or (item.kind == "cast" and " WITH FUNCTION " not in text)
        or (item.kind == "aggregate" and " STYPE = internal" in text)
    )


def _tables(snapshot: Snapshot, major: int) -> Iterator[tuple[int, Creation]]:
    wide = _with_wide_rows(snapshot)
    for name in sorted({name for relation in snapshot.relations for name in _sequences(relation)}):
        yield 0, Creation(what=f"sequence {name}", queries=(render("twin/create_sequence", name=name),))
    for relation in sorted(snapshot.relations, key=lambda each: each.oid):
        if relation.kind not in "vm":
            is_plain = major >= _STORAGE and relation.full_name not in wide
            places = _places(relation)
            queries = [render("twin/create_table", relation=relation, places=places, is_plain=is_plain)]
            if dropped := [name for name, column in places if column is None]:
                queries.append(render("twin/drop_columns", relation=relation, names=dropped))
            yield relation.oid, Creation(what=called(relation), queries=tuple(queries), source=relation)


def _places(relation: Relation) -> list[tuple[str, Column | None]]:
    """Return the names and columns of a table in their places, None for the dropped ones between and behind them.

    Those have the names that the server gives them, which no column of such a table can have.
    """
    waiting = sorted(relation.dropped_columns, reverse=True)
    found = list[tuple[str, Column | None]]()
    for column in (*relation.columns, None):
        while waiting and (column is None or waiting[-1] < column.number):
            waiting.pop()
            found.append((f"........pg.dropped.{len(found) + 1}........", None))
        if column is not None:
            found.append((column.name, column))
    return found


def _with_wide_rows(snapshot: Snapshot) -> frozenset[QualifiedName]:
    """Return the tables whose rows with the extremes may not fit into a page without a TOAST table."""
    found = Counter[QualifiedName]()
    for each in snapshot.extremes:
        found[QualifiedName(each.schema_name, each.table)] += max(len(each.minimum or ""), len(each.maximum or ""))
    return frozenset(table for table, characters in found.items() if characters > _NARROW)


def _sequences(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        for match in NEXTVAL.finditer(column.default or ""):
            yield match[1].replace("''", "'")


def _on_tables(snapshot: Snapshot) -> Iterator[tuple[int, Creation]]:
    """Yield checks, then constraints with an index, indexes, views, rules and triggers in the captured order."""
    made = [*_constraints(snapshot)]
    for index in snapshot.indexes:
        if index.constraint is None and index.valid:
            query = render("twin/create_captured_index", index=index)
            made.append((index.oid, Creation(what=called(index), queries=(query,), source=index)))
    for relation in snapshot.relations:
        if relation.kind in "vm":
            query = render("twin/create_view", relation=relation, body=freeze_clock(relation.definition or ""))
            made.append((relation.oid, Creation(what=called(relation), queries=(query,), source=relation)))
    made += [_object(item) for item in snapshot.objects if item.table is not None]
    return iter(sorted(made, key=lambda each: each[0]))


def _constraints(snapshot: Snapshot) -> Iterator[tuple[int, Creation]]:
    behind = {(each.definition.schema, each.constraint): each for each in snapshot.indexes if each.constraint}
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            found = behind.get((relation.schema_name, constraint.name)) if constraint.kind in "pux" else None
            # Tables that are attached to one would get an index that they do not have.
            waits = found is not None and not found.valid
            if constraint.kind != "f" and not waits:
                only = relation.kind == "p" and constraint.kind in "pux"
                query = render("twin/add_constraint", relation=relation, constraint=constraint, only=only)
                what = f"constraint {constraint.name} of {called(relation)}"
                made = Creation(what=what, queries=(query,), source=found, of=_oids(relation))
                yield found.oid if found else 0, made


def parents(snapshot: Snapshot) -> Iterator[Creation]:
    """Yield what attaches tables and indexes to their parents."""
    for relation in snapshot.relations:
        for parent in relation.parents:
            query = render("twin/attach_table", relation=relation, parent=parent)
            # Without it all above are planned as if these rows were not there.
            above = tuple(_ancestors(relation, snapshot))
            of = _oids(relation, snapshot.relation(*parent))
            yield Creation(what=f"parent of {called(relation)}", queries=(query,), of=of, also=above)
    # One that waits for more partitions is in no plan, nor does it lend its partitions anything.
    valid = {(each.definition.schema, each.definition.name): each for each in snapshot.indexes if each.valid}
    for index in snapshot.indexes:
        if index.parent in valid and index.valid:
            query = render("twin/attach_index", index=index, parent=index.parent)
            of = _oids(index, valid[index.parent])
            yield Creation(what=f"parent of {called(index)}", queries=(query,), source=index, of=of)


def _oids(*objects: Relation | Index | None) -> tuple[int, ...]:
    return tuple(each.oid for each in objects if each is not None and each.oid)


def _ancestors(relation: Relation, snapshot: Snapshot) -> Iterator[Relation]:
    seen, waiting = {relation.oid}, [relation]
    while waiting:
        for name in waiting.pop().parents:
            parent = snapshot.relation(*name)
            if parent is not None and parent.oid not in seen:
                seen.add(parent.oid)
                waiting.append(parent)
                yield parent


def foreign_keys(snapshot: Snapshot) -> Iterator[Creation]:
    """Yield the foreign keys."""
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            # A foreign key of a partitioned table goes to its partitions by itself, and would be there twice.
            if constraint.kind == "f" and not constraint.inherited:
                query = render("twin/add_constraint", relation=relation, constraint=constraint, only=False)
                referenced = snapshot.relation(constraint.referenced_schema or "", constraint.referenced_table or "")
                what, of = f"constraint {constraint.name} of {called(relation)}", _oids(relation, referenced)
                yield Creation(what=what, queries=(query,), of=of)


def policies(snapshot: Snapshot, *, roles: Collection[str]) -> Iterator[Creation]:
    """Yield row security and its policies."""
    for security in snapshot.row_security:
        source = snapshot.relation(security.schema_name, security.table)
        for what, query in policy_statements(security, roles):
            yield Creation(what=what, queries=(query,), source=source, of=_oids(source))


def tablespaces(snapshot: Snapshot) -> Iterator[Creation]:
    """Yield the tablespaces with costs of their own, and what moves tables and indexes there."""
    indexes = {(each.definition.schema, each.definition.name) for each in snapshot.indexes}
    for tablespace in snapshot.tablespaces:
        what = f"tablespace {tablespace.name}"
        options = [option.split("=", 1) for option in tablespace.options if "=" in option]
        names = [tablespace.name, DEFAULT_TABLESPACE] if tablespace.is_default else [tablespace.name]
        queries = [render("twin/set_tablespace_costs", name=name, options=options) for name in names if options]
        if not tablespace.name.startswith("pg_"):
            made = render("twin/create_tablespace", tablespace=tablespace)
            yield Creation(what=what, queries=(made,), is_privileged=True, is_alone=True)
            queries.append(render("twin/grant_tablespace", name=tablespace.name, role=CAPTURED))
        for query in queries:
            yield Creation(what=what, queries=(query,), is_privileged=True)
        for relation in tablespace.relations:
            values = {"relation": relation, "is_index": relation in indexes, "tablespace": tablespace.name}
            query = render("twin/move_relation", **values)
            yield Creation(what=f"{what} of {'.'.join(relation)}", queries=(query,))
