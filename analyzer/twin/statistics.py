"""Restore captured statistics, and the extremes of indexed columns, into an inflated database."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from analyzer.capture.snapshot import Column, Extreme, NotExamined, Relation, Snapshot
from analyzer.db import Connection
from analyzer.sql import render


def restore_statistics(connection: Connection, snapshot: Snapshot) -> tuple[NotExamined, ...]:
    """Restore pg_class and pg_statistic of everything captured; return what the server would not take."""
    complaints: list[str] = []
    connection.add_notice_handler(lambda diagnostic: complaints.append(diagnostic.message_primary or ""))
    failures: list[NotExamined] = []
    relation_query = render("twin/restore_relation_statistics")
    for relation in snapshot.relations:
        if relation.kind in "rpm":
            values = relation.model_dump(include={"schema_name", "name", "pages", "tuples", "all_visible_pages"})
            failures += _restore(connection, relation_query, values, f"{relation.schema_name}.{relation.name}")
    for index in snapshot.indexes:
        if index.valid:
            name = {"schema_name": index.definition.schema, "name": index.definition.name}
            sizes = {"pages": index.pages, "tuples": index.tuples, "all_visible_pages": 0}
            failures += _restore(connection, relation_query, name | sizes, f"index {'.'.join(name.values())}")
    column_query = render("twin/restore_column_statistics")
    for row in snapshot.statistics:
        values = row.model_dump()
        for name in ("most_common_frequencies", "most_common_element_frequencies", "element_count_histogram"):
            values[name] = list(values[name]) if values[name] is not None else None
        what = f"statistics of {row.schema_name}.{row.relation}.{row.column}"
        failures += _restore(connection, column_query, values, what)
    return tuple(failures)


def _restore(connection: Connection, query: sql.SQL, values: Mapping[str, object], what: str) -> list[NotExamined]:
    try:
        row = connection.execute(query, values).fetchone()
    except psycopg.Error as error:
        return [NotExamined(what=what, reason=f"not restored: {error.diag.message_primary}")]
    if row is None or not row["restored"]:
        return [NotExamined(what=what, reason="the twin's server would not take all of it")]
    return []


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
        if relation.kind == "m" and extremes:
            reason = "nothing can be inserted into it: a constant beyond its histogram may cost a little differently"
            failures.append(NotExamined(what=f"extremes of the materialised view {'.'.join(key)}", reason=reason))
        elif relation.kind == "r" and relation.size_bytes and extremes and key in oids:
            try:
                with connection.transaction():
                    _insert_rows(connection, relation, extremes, oids[key])
            except psycopg.Error as error:
                reason = f"extremes not restored: {error.diag.message_primary}"
                failures.append(NotExamined(what=".".join(key), reason=reason))
    return tuple(failures)


def _insert_rows(connection: Connection, relation: Relation, extremes: list[Extreme], oid: int) -> None:
    columns: list[Column] = []
    values: dict[str, str | None] = {}
    for extreme in extremes:
        column = relation.column(extreme.column)
        if column is not None and not column.generated:
            values[f"v0_{len(columns)}"] = extreme.minimum
            values[f"v1_{len(columns)}"] = extreme.maximum
            columns.append(column)
    suspended = connection.execute(render("twin/read_suspended"), {"oid": oid}).fetchone()
    connection.execute(render("twin/suspend_constraints"), {"oid": oid})
    connection.execute(render("twin/suspend_checks"), {"oid": oid})
    if columns:
        connection.execute(render("twin/insert_extremes", relation=relation, columns=columns, rows=2), values)
    connection.execute(render("twin/resume_checks"), {"oid": oid, **(suspended or {})})
    restored = {
        "names": [column.name for column in relation.columns],
        "not_null": [column.not_null for column in relation.columns],
        "identity": [column.identity for column in relation.columns],
    }
    connection.execute(render("twin/resume_constraints"), {"oid": oid, **restored})
