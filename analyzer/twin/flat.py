"""Build the flat database: the captured schema with empty storage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from analyzer.capture.snapshot import Index, NotExamined, Relation, Snapshot
from analyzer.db import Connection, execute_one
from analyzer.sql import render

#: A default that draws from a sequence, as pg_get_expr prints it.
_NEXTVAL = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """One object to create."""

    what: str
    query: sql.SQL


def build_flat(connection: Connection, snapshot: Snapshot) -> tuple[NotExamined, ...]:
    """Create everything captured, in whichever order the dependencies allow; return what could not be created.

    The connection is a superuser's, in autocommit.
    """
    connection.execute(render("twin/prepare_session"))
    failures: list[NotExamined] = []
    for stage in _stages(snapshot):
        failures += _create_all(connection, stage)
    connection.execute(render("twin/mark_populated"))
    return tuple(failures)


def _stages(snapshot: Snapshot) -> Iterator[tuple[_Object, ...]]:
    yield tuple(_schemas_and_extensions(snapshot))
    yield tuple(_types_tables_views(snapshot))
    yield tuple(_constraints(snapshot, foreign=False))
    yield tuple(_indexes(snapshot))
    yield tuple(_parents(snapshot))
    yield tuple(_constraints(snapshot, foreign=True))


def _create_all(connection: Connection, objects: tuple[_Object, ...]) -> list[NotExamined]:
    """Create what can be created, again and again, until nothing more succeeds."""
    pending = list(objects)
    while pending:
        failed: list[tuple[_Object, psycopg.Error]] = []
        for item in pending:
            try:
                execute_one(connection, item.query)
            except psycopg.Error as error:
                failed.append((item, error))
        if len(failed) == len(pending):
            return [NotExamined(what=item.what, reason=_reason(error)) for item, error in failed]
        pending = [item for item, _ in failed]
    return []


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
    for relation in snapshot.relations:
        template = "twin/create_view" if relation.kind in "vm" else "twin/create_table"
        yield _Object(what=_called(relation), query=render(template, relation=relation))


def _sequences(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        for match in _NEXTVAL.finditer(column.default or ""):
            yield match[1].replace("''", "'")


def _constraints(snapshot: Snapshot, *, foreign: bool) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            # A foreign key of a partitioned table goes to its partitions by itself, and would be there twice.
            repeated = constraint.kind == "f" and constraint.inherited
            if (constraint.kind == "f") == foreign and not repeated:
                only = relation.kind == "p" and constraint.kind in "pux"
                query = render("twin/add_constraint", relation=relation, constraint=constraint, only=only)
                yield _Object(what=f"constraint {constraint.name} of {_called(relation)}", query=query)


def _indexes(snapshot: Snapshot) -> Iterator[_Object]:
    for index in snapshot.indexes:
        if index.constraint is None and index.valid:
            yield _Object(what=_index(index), query=render("twin/create_captured_index", index=index))


def _parents(snapshot: Snapshot) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for parent in relation.parents:
            query = render("twin/attach_table", relation=relation, parent=parent)
            yield _Object(what=f"parent of {_called(relation)}", query=query)
    for index in snapshot.indexes:
        if index.parent is not None and index.valid:
            query = render("twin/attach_index", index=index, parent=index.parent)
            yield _Object(what=f"parent of {_index(index)}", query=query)


def _called(relation: Relation) -> str:
    return f"{relation.schema_name}.{relation.name}"


def _index(index: Index) -> str:
    return f"index {index.definition.schema}.{index.definition.name}"
