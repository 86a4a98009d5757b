"""Find the statistics of an expression that the captured server analysed, in an index or extended statistics."""

from collections.abc import Iterator

import psycopg

from analyzer.capture.indexes import unwrapped
from analyzer.db import Connection
from analyzer.documents.snapshot import ColumnStatistics, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.sql import ident, render
from analyzer.twin.predict.key_estimate import LearntKey


def look_up_analysed(connection: Connection, snapshot: Snapshot, index: IndexDef, number: int) -> LearntKey | None:
    """Return the statistics that the server has of one key of an index, an expression, by position from 1."""
    expression = index.keys[number - 1].expression
    if expression is None:
        return None
    held = (*_of_indexes(connection, snapshot, index, expression), *_extended(snapshot, index, expression))
    type_name = _type(connection, index, expression) if held else None
    return LearntKey(number=number, type=type_name, statistics=held[0]) if type_name is not None else None


def _of_indexes(
    connection: Connection, snapshot: Snapshot, index: IndexDef, expression: str
) -> Iterator[ColumnStatistics]:
    for other in (each.definition for each in snapshot.indexes):
        expressions = [key.expression for key in other.keys]
        same_table = (other.schema, other.table) == index.full_table
        if not same_table or other.where is not None or expression not in expressions:
            continue
        name = {"index": ident(other.schema, other.name)}
        columns = connection.execute(render("twin/read_index_columns"), name).fetchall()
        if columns:
            column = str(columns[expressions.index(expression)]["name"])
            row = snapshot.column_statistics(other.schema, other.name, column)
            yield from () if row is None else (row,)


def _extended(snapshot: Snapshot, index: IndexDef, expression: str) -> Iterator[ColumnStatistics]:
    for extended in snapshot.extended_statistics:
        if (extended.table_schema, extended.table) != index.full_table:
            continue
        for data in extended.data:
            for text, row in zip(extended.expressions, data.expressions, strict=False):
                if row is not None and not data.inherited and unwrapped(text) == expression:
                    yield row


def _type(connection: Connection, index: IndexDef, expression: str) -> str | None:
    query = render("twin/type_expression", table=ident(index.schema, index.table), expression=expression)
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
    except psycopg.Error:  # a stub of a function
        if connection.closed:
            raise
        return None
    return str(row["type"]) if row is not None else None
