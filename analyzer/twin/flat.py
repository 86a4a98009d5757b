"""Build the flat database: the captured schema with empty storage."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from analyzer.capture.snapshot import Index, NotExamined, Relation, Snapshot
from analyzer.db import Connection, execute_one
from analyzer.sql import render
from analyzer.twin.clock import clock_functions, stopped
from analyzer.twin.lost import Lost, lost_index, lost_relation
from analyzer.twin.security import policy_statements, role_statements
from analyzer.twin.stubs import called, stub

#: Objects created in one transaction.
_AT_ONCE = 100
#: A default that draws from a sequence, as pg_get_expr prints it.
NEXTVAL = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """What of a snapshot the flat database lacks."""

    not_examined: tuple[NotExamined, ...] = ()
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """One object to create."""

    what: str
    query: sql.SQL
    #: What it is, where statements may miss it.
    source: Relation | Index | None = None


_Stage = Callable[[Snapshot], Iterable[_Object]]


def build_flat(connection: Connection, snapshot: Snapshot) -> Flat:
    """Create everything captured, in whichever order the dependencies allow; return what could not be created.

    The connection is a superuser's, in autocommit.
    """
    connection.execute(render("twin/prepare_session"))
    connection.execute(render("twin/own_schema"))
    for query in clock_functions(snapshot):
        connection.execute(query)
    for query in (*role_statements(snapshot), render("twin/allow_tablespaces")):
        with contextlib.suppress(psycopg.Error):  # the role is there already, or the server knows no such setting
            connection.execute(query)
    flat = _without_foreign_tables(snapshot)
    for stage in _stages():
        failed = _create_all(connection, tuple(stage(snapshot)))
        if failed and stage is _types_tables_views:
            fitted = stub(connection, snapshot, frozenset(item.what for item, _ in failed))
            wanted = {item.what for item, _ in failed}
            again = tuple(item for item in stage(fitted.snapshot) if item.what in wanted)
            failed = _create_all(connection, again)
            reported = {item.what for item, _ in failed}
            notes = tuple(note for note in fitted.not_examined if note.what not in reported)
            flat = replace(flat, not_examined=flat.not_examined + notes)
        flat = _with_failures(flat, failed)
    connection.execute(render("twin/mark_populated"))
    return flat


def _with_failures(flat: Flat, failed: Iterable[tuple[_Object, psycopg.Error]]) -> Flat:
    notes, lost = list(flat.not_examined), list(flat.lost)
    for item, error in failed:
        reason = _reason(error)
        notes.append(NotExamined(what=item.what, reason=reason))
        if isinstance(item.source, Relation):
            lost.append(lost_relation(item.source, reason))
        elif item.source is not None:
            lost.append(lost_index(item.source, reason))
    return Flat(not_examined=tuple(notes), lost=tuple(lost))


def _without_foreign_tables(snapshot: Snapshot) -> Flat:
    foreign = [relation for relation in snapshot.relations if relation.kind == "f"]
    reason = "it is a foreign table, and only its server's wrapper knows what it costs"
    return Flat(
        not_examined=tuple(NotExamined(what=f"foreign table {called(each)}", reason=reason) for each in foreign),
        lost=tuple(lost_relation(each, reason) for each in foreign),
    )


def _stages() -> Iterator[_Stage]:
    yield _schemas_and_extensions
    yield _types_tables_views
    yield _indexes
    yield _extended
    yield _parents
    yield _foreign_keys
    yield _policies
    yield _tablespaces


def _create_all(connection: Connection, objects: tuple[_Object, ...]) -> tuple[tuple[_Object, psycopg.Error], ...]:
    """Create what can be created, again and again, until nothing more succeeds; return the rest and why."""
    pending = list(objects)
    while pending:
        failed: list[tuple[_Object, psycopg.Error]] = []
        for start in range(0, len(pending), _AT_ONCE):
            failed += _create(connection, pending[start : start + _AT_ONCE])
        if len(failed) == len(pending):
            return tuple(failed)
        pending = [item for item, _ in failed]
    return ()


def _create(connection: Connection, objects: list[_Object]) -> Iterator[tuple[_Object, psycopg.Error]]:
    """Create objects at once, or one by one where one of them cannot be; yield those and why."""
    try:
        with connection.pipeline():  # in which a text can only be one statement
            for item in objects:
                connection.execute(item.query)
    except psycopg.Error:
        if connection.closed:
            raise
        for item in objects:
            try:
                execute_one(connection, item.query)
            except psycopg.errors.DiskFull:
                raise
            except psycopg.Error as error:
                yield item, error


def _reason(error: psycopg.Error) -> str:
    return f"the twin cannot have it: {error.diag.message_primary or str(error).splitlines()[0]}"


def _schemas_and_extensions(snapshot: Snapshot) -> Iterator[_Object]:
    for schema in snapshot.schemas:
        yield _Object(what=f"schema {schema}", query=render("twin/create_schema", schema=schema))
    for extension in snapshot.extensions:
        if extension.name != "plpgsql":
            query = render("twin/create_extension", extension=extension)
            yield _Object(what=f"extension {extension.name}", query=query)


def _types_tables_views(snapshot: Snapshot) -> Iterator[_Object]:
    for item in snapshot.types:
        yield _Object(what=f"type {item.schema_name}.{item.name}", query=render("twin/create_type", type=item))
    for function in snapshot.functions:
        query = render("twin/create_function", function=function)
        yield _Object(what=f"function {function.schema_name}.{function.name}({function.arguments})", query=query)
    for name in sorted({name for relation in snapshot.relations for name in _sequences(relation)}):
        yield _Object(what=f"sequence {name}", query=render("twin/create_sequence", name=name))
    for relation in sorted(snapshot.relations, key=lambda each: each.oid):
        if relation.kind in "vm":
            body = stopped(relation.definition or "")
            query = render("twin/create_view", relation=relation, body=body)
        else:
            query = render("twin/create_table", relation=relation)
        yield _Object(what=called(relation), query=query, source=relation)


def _sequences(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        for match in NEXTVAL.finditer(column.default or ""):
            yield match[1].replace("''", "'")


def _indexes(snapshot: Snapshot) -> Iterator[_Object]:
    """Yield what has an index of its own in the captured order, then the other constraints."""
    behind = {(each.definition.schema, each.constraint): each for each in snapshot.indexes if each.constraint}
    made: list[tuple[int, _Object]] = []
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            if constraint.kind != "f":
                query = render(
                    "twin/add_constraint",
                    relation=relation,
                    constraint=constraint,
                    only=relation.kind == "p" and constraint.kind in "pux",
                )
                what = f"constraint {constraint.name} of {called(relation)}"
                source = behind.get((relation.schema_name, constraint.name)) if constraint.kind != "c" else None
                made.append((source.oid if source else 0, _Object(what=what, query=query, source=source)))
    for index in snapshot.indexes:
        if index.constraint is None and index.valid:
            query = render("twin/create_captured_index", index=index)
            made.append((index.oid, _Object(what=_index(index), query=query, source=index)))
    yield from (item for _, item in sorted(made, key=lambda each: each[0]))


def _foreign_keys(snapshot: Snapshot) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            # A foreign key of a partitioned table goes to its partitions by itself, and would be there twice.
            if constraint.kind == "f" and not constraint.inherited:
                query = render("twin/add_constraint", relation=relation, constraint=constraint, only=False)
                yield _Object(what=f"constraint {constraint.name} of {called(relation)}", query=query)


def _extended(snapshot: Snapshot) -> Iterator[_Object]:
    for statistics in snapshot.extended_statistics:
        what = f"extended statistics {statistics.schema_name}.{statistics.name}"
        yield _Object(what=what, query=render("twin/create_statistics", statistics=statistics))


def _parents(snapshot: Snapshot) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for parent in relation.parents:
            query = render("twin/attach_table", relation=relation, parent=parent)
            yield _Object(what=f"parent of {called(relation)}", query=query)
    for index in snapshot.indexes:
        if index.parent is not None and index.valid:
            query = render("twin/attach_index", index=index, parent=index.parent)
            yield _Object(what=f"parent of {_index(index)}", query=query)


def _policies(snapshot: Snapshot) -> Iterator[_Object]:
    for security in snapshot.row_security:
        source = snapshot.relation(security.schema_name, security.table)
        for what, query in policy_statements(security):
            yield _Object(what=what, query=query, source=source)


def _tablespaces(snapshot: Snapshot) -> Iterator[_Object]:
    indexes = {(each.definition.schema, each.definition.name) for each in snapshot.indexes}
    for tablespace in snapshot.tablespaces:
        what = f"tablespace {tablespace.name}"
        own = () if tablespace.name.startswith("pg_") else (render("twin/create_tablespace", tablespace=tablespace),)
        names = [tablespace.name, "pg_default"] if tablespace.is_default else [tablespace.name]
        costs = [render("twin/set_tablespace_costs", name=name, options=tablespace.options) for name in names]
        for query in (*own, *costs):
            yield _Object(what=what, query=query)
        for relation in tablespace.relations:
            values = {"relation": relation, "is_index": relation in indexes, "tablespace": tablespace.name}
            yield _Object(what=f"{what} of {'.'.join(relation)}", query=render("twin/move_relation", **values))


def _index(index: Index) -> str:
    return f"index {index.definition.schema}.{index.definition.name}"
