"""Restore captured statistics, and the extremes of indexed columns, into an inflated database."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from analyzer.capture.snapshot import Column, ColumnStatistics, Extreme, NotExamined, Relation, Snapshot
from analyzer.db import Connection
from analyzer.sql import render

#: Statements sent at once. When the server rejects one of them, all are sent again, one by one.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Restoration:
    """One statement that restores statistics."""

    query: sql.SQL
    values: Mapping[str, object]
    what: str


def restore_statistics(connection: Connection, snapshot: Snapshot) -> tuple[NotExamined, ...]:
    """Restore pg_class and pg_statistic of everything captured; return what the server would not take."""
    complaints: list[str] = []
    connection.add_notice_handler(lambda diagnostic: complaints.append(diagnostic.message_primary or ""))
    failures: list[NotExamined] = []
    restorations = _restorations(snapshot, connection.info.server_version // 10_000)
    while batch := tuple(itertools.islice(restorations, _AT_ONCE)):
        try:
            with connection.pipeline():
                answers = [connection.execute(each.query, each.values) for each in batch]
            failures += [_refused(each) for each, answer in zip(batch, answers, strict=True) if not _is_done(answer)]
        except psycopg.Error:
            if connection.closed:
                raise
            failures += [failure for each in batch for failure in _restore(connection, each)]
    return tuple(failures)


def _restorations(snapshot: Snapshot, major: int) -> Iterator[_Restoration]:
    query = render("twin/restore_relation_statistics", pg=major)
    for relation in snapshot.relations:
        if relation.kind in "rpm":
            values = relation.model_dump(include={"schema_name", "name", "pages", "tuples", "all_visible_pages"})
            yield _Restoration(query=query, values=values, what=f"{relation.schema_name}.{relation.name}")
    for index in snapshot.indexes:
        if index.valid:
            name = {"schema_name": index.definition.schema, "name": index.definition.name}
            sizes = {"pages": index.pages, "tuples": index.tuples, "all_visible_pages": 0}
            yield _Restoration(query=query, values=name | sizes, what=f"index {'.'.join(name.values())}")
    query = render("twin/restore_column_statistics", pg=major)
    for row in snapshot.statistics:
        what = f"statistics of {row.schema_name}.{row.relation}.{row.column}"
        yield _Restoration(query=query, values=restorable(row), what=what)


def _restore(connection: Connection, each: _Restoration) -> list[NotExamined]:
    try:
        answer = connection.execute(each.query, each.values)
    except psycopg.Error as error:
        if connection.closed:
            raise
        return [NotExamined(what=each.what, reason=f"not restored: {error.diag.message_primary}")]
    return [] if _is_done(answer) else [_refused(each)]


def _is_done(answer: psycopg.Cursor[DictRow]) -> bool:
    row = answer.fetchone()
    return row is not None and bool(row["restored"])


def _refused(each: _Restoration) -> NotExamined:
    return NotExamined(what=each.what, reason="the twin's server would not take all of it")


def restorable(row: ColumnStatistics) -> dict[str, Any]:
    """Return what `twin/restore_column_statistics` binds; frequencies whose values were left out are nobody's."""
    values = row.model_dump()
    for name in ("most_common_frequencies", "most_common_element_frequencies", "element_count_histogram"):
        values[name] = list(values[name]) if values[name] is not None else None
    if row.most_common_values is None:
        values["most_common_frequencies"] = None
    if row.most_common_elements is None:
        values["most_common_element_frequencies"] = None
    if row.range_length_histogram is None:
        values["range_empty_fraction"] = None
    return values


def insert_extremes(
    connection: Connection, snapshot: Snapshot, oids: dict[tuple[str, str], int]
) -> tuple[NotExamined, ...]:
    """Insert two rows per table: the smallest and the largest value of each indexed column.

    The planner probes an index for its actual extremes when an inequality reaches beyond the histogram
    (get_actual_variable_range). A table without pages stays empty, because its size is part of the plan.
    """
    failures: list[NotExamined] = []
    by_table: dict[tuple[str, str], list[Extreme]] = {}
    for extreme in snapshot.extremes:
        by_table.setdefault((extreme.schema_name, extreme.table), []).append(extreme)
    for relation in snapshot.relations:
        key = (relation.schema_name, relation.name)
        extremes = [e for e in by_table.get(key, []) if e.minimum is not None]
        if relation.kind in "rm" and relation.size_bytes and extremes and key in oids:
            try:
                with connection.transaction():
                    _insert_rows(connection, relation, extremes, oids[key])
            except psycopg.Error as error:
                reason = f"extremes not restored: {error.diag.message_primary}"
                failures.append(NotExamined(what=".".join(key), reason=reason))
    return tuple(failures)


def _insert_rows(connection: Connection, relation: Relation, extremes: list[Extreme], oid: int) -> None:
    columns: list[Column] = []
    rows: tuple[list[str | None], list[str | None]] = ([], [])
    for extreme in extremes:
        column = relation.column(extreme.column)
        if column is not None:
            rows[0].append(extreme.minimum)
            rows[1].append(extreme.maximum)
            columns.append(column)
    suspended = connection.execute(render("twin/read_suspended"), {"oid": oid}).fetchone()
    connection.execute(render("twin/suspend_constraints"), {"oid": oid})
    connection.execute(render("twin/suspend_checks"), {"oid": oid})
    if columns:
        connection.execute(render("twin/insert_extremes", relation=relation, columns=columns, rows=rows))
    connection.execute(render("twin/resume_checks"), {"oid": oid, **(suspended or {})})
    restored = {
        "names": [column.name for column in relation.columns],
        "not_null": [column.not_null for column in relation.columns],
        "identity": [column.identity for column in relation.columns],
        "generated": [column.generated for column in relation.columns],
    }
    connection.execute(render("twin/resume_constraints"), {"oid": oid, **restored})
