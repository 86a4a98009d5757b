"""Restore extended statistics into an inflated database.

Before 19 no function does it. The coefficients are written in the server's own format, through a cast of bytea that is
made here. A list of most common combinations holds values in the server's memory format: ANALYZE makes it of a scratch
table with one row of each, and the true frequencies are put in afterwards. Expressions' statistics are rows of
pg_statistic: the ones that columns of such a table are given.
"""

import contextlib
import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.extended import dump_dependencies, dump_distinct
from analyzer.db import Connection
from analyzer.documents.measured import CommonCombination, ExtendedData, ExtendedStatistics
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.sql import render
from analyzer.twin.restore.column_statistics import restorable
from analyzer.twin.server.sessions import Sessions

_TYPES = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
#: MCVItem's frequency and base frequency, as statext_mcv_serialize() writes them in mcv.c.
_FREQUENCIES = struct.Struct("=dd")


def restore_extended(sessions: Sessions, snapshot: Snapshot) -> Iterator[NotExamined]:
    """Restore the data of extended statistics, whose objects exist; yield what could not be restored."""
    captured = [each for each in snapshot.extended_statistics if each.data]
    for statistics in captured:
        try:
            restore_data(sessions, statistics)  # where there is no such object, the flat database said why
        except psycopg.Error as error:
            if sessions.is_broken:
                raise
            what = f"extended statistics {statistics.schema_name}.{statistics.name}"
            yield NotExamined(what=what, reason=f"not restored: {error.diag.message_primary or error}")


def restore_data(sessions: Sessions, statistics: ExtendedStatistics) -> None:
    """Give an object of extended statistics its data, if it exists; raises psycopg.Error where they do not fit."""
    name = {"schema_name": statistics.schema_name, "name": statistics.name}
    row = sessions.superuser.execute(render("twin/read_statistics_keys"), name).fetchone()
    if row is not None:
        with sessions.building():
            _restore(sessions, statistics, int(row["oid"]), row["numbers"])


def _restore(sessions: Sessions, statistics: ExtendedStatistics, oid: int, columns: Sequence[int]) -> None:
    numbers = [*columns, *(-position for position in range(1, len(statistics.expressions) + 1))]
    major = sessions.major
    sessions.superuser.execute(render("twin/clear_extended"), {"oid": oid})
    found = statistics.data
    if major < 15 and len(found) > 1:  # one row an object: of a partitioned table what is inherited, else what is not
        found = tuple(data for data in found if not data.inherited)
    for data in found:
        distinct = [(tuple(numbers[key] for key in item.keys), item.distinct) for item in data.distinct or ()]
        dependencies = [(tuple(numbers[key] for key in item.keys), item.degree) for item in data.dependencies or ()]
        most_common = _gather(sessions, statistics, data.most_common) if data.most_common else None
        with _scratch(sessions.captured, statistics):
            values = {
                "oid": oid,
                "inherited": data.inherited,
                "distinct": dump_distinct(distinct) if distinct else None,
                "dependencies": dump_dependencies(dependencies) if dependencies else None,
                "most_common": most_common,
                "positions": _restore_expressions(sessions, statistics, data),
            }
            _insert(sessions.superuser, values, major=major)


def _insert(superuser: Connection, values: Mapping[str, Any], *, major: int) -> None:
    """Write the data, through casts that no other session ever sees: the server believes the bytes it is given."""
    with superuser.transaction():
        for type_name in _TYPES:
            superuser.execute(render("twin/own_coefficients", type=type_name))
        superuser.execute(render("twin/insert_extended", pg=major), values)
        for type_name in _TYPES:
            superuser.execute(render("twin/drop_coefficients", type=type_name))


def _gather(sessions: Sessions, statistics: ExtendedStatistics, items: Sequence[CommonCombination]) -> bytes:
    """Return the bytes of a pg_mcv_list of these combinations."""
    keys, connection = len(statistics.columns) + len(statistics.expressions), sessions.captured
    with _scratch(connection, statistics):
        rows = [
            {"ordinal": ordinal, **{f"k{key}": value for key, value in enumerate(item.values, 1)}}
            for ordinal, item in enumerate(items)
        ]
        with connection.cursor() as cursor:
            cursor.executemany(render("twin/insert_combination", keys=keys), rows)
        for template in ("gather_combinations", "target_combinations", "analyze_combinations"):
            connection.execute(render(f"twin/{template}", keys=keys))
        row = sessions.superuser.execute(render("twin/read_combination_list")).fetchone()
        built = row["list"] if row is not None else None
        inserted = connection.execute(render("twin/read_combinations", keys=keys)).fetchall()
    ordinals = _in_order(row["items"] if row is not None else (), inserted)
    if built is None or sorted(ordinals) != list(range(len(items))):
        raise psycopg.DataError("its most common combinations differ on the twin")
    return _with_frequencies(built, [items[ordinal] for ordinal in ordinals], keys)


def _in_order(items: Sequence[Sequence[str | None]], inserted: Sequence[DictRow]) -> list[int]:
    """Return which inserted row each item of a list is, -1 for none."""
    places: dict[tuple[str | None, ...], int] = {tuple(row["values"]): int(row["ordinal"]) for row in inserted}
    return [places.get(tuple(item), -1) for item in items]


def _with_frequencies(data: bytes, items: Sequence[CommonCombination], keys: int) -> bytes:
    """Put the true frequencies into a list, whose end the items are: null flags, frequencies, indexes of values."""
    patched = bytearray(data)
    item_bytes = keys + _FREQUENCIES.size + 2 * keys
    start = len(patched) - item_bytes * len(items)
    for position, item in enumerate(items):
        _FREQUENCIES.pack_into(patched, start + position * item_bytes + keys, item.frequency, item.base_frequency)
    return bytes(patched)


def _restore_expressions(
    sessions: Sessions, statistics: ExtendedStatistics, data: ExtendedData
) -> list[int | None] | None:
    """Give the scratch table's columns the expressions' statistics; return the columns' numbers in order."""
    if not any(data.expressions):
        return None
    query = render("twin/restore_column_statistics", pg=sessions.major)
    first = len(statistics.columns) + 1
    scratch = {"schema_name": "twindex_scratch", "relation": "combination", "inherited": False}
    with sessions.restoring() as connection:
        for key, row in enumerate(data.expressions, first):
            if row is not None:
                connection.execute(query, restorable(row) | scratch | {"column": f"k{key}"})
    # The first column of the scratch table is the ordinal.
    return [key + 1 if row is not None else None for key, row in enumerate(data.expressions, first)]


@contextlib.contextmanager
def _scratch(connection: Connection, statistics: ExtendedStatistics) -> Generator[None]:
    """Keep a table with a column for each key while the block runs."""
    connection.execute(render("twin/create_combinations", statistics=statistics))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(render("twin/drop_combinations"))
