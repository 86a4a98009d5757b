"""Restore captured statistics, and the extremes of indexed columns, into an inflated database."""

import contextlib
import itertools
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import DictRow
from psycopg.sql import SQL

from analyzer.db import Connection
from analyzer.documents.snapshot import Column, ColumnStatistics, Extreme, NotExamined, Relation, Snapshot
from analyzer.sql import ident, render
from analyzer.twin.predict.key_estimate import Learnt
from analyzer.twin.server.sessions import Sessions

#: Rows of pg_class or of pg_stats restored at once. When the server rejects one of them, all are restored one by one.
_AT_ONCE = 200
#: Tables that are given their extremes in one transaction.
_TABLES_AT_ONCE = 100
#: pg_restore_attribute_stats() came with it, which takes as many rows at once as one likes.
_MANY_COLUMNS = 18


_RANGES = frozenset(
    f"{subtype}{kind}" for subtype in ("int4", "int8", "num", "ts", "tstz", "date") for kind in ("range", "multirange")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Restoration:
    """One row of pg_class or of pg_stats to restore."""

    #: A table's or an index's own row, one of a column's statistics, or of a column's that has a domain.
    kind: Literal["relation", "column", "domain"]
    values: Mapping[str, Any]
    what: str

    @property
    def by_insertion(self) -> bool:
        """Whether pg_restore_attribute_stats() may refuse a part of it: it takes a domain over a range for no range."""
        return self.kind == "domain"

    def query(self, major: int) -> SQL:
        """Return what restores it on that version."""
        if self.by_insertion:
            return render("twin/insert_column_statistics")
        return render(f"twin/restore_{self.kind}_statistics", pg=major)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extremes:
    """A table, and the extremes of its columns."""

    oid: int
    relation: Relation
    extremes: tuple[Extreme, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns whose extremes are known."""
        found = (self.relation.column(extreme.column) for extreme in self.extremes)
        return tuple(column for column in found if column is not None)

    @property
    def others(self) -> tuple[Column, ...]:
        """Return the columns that are to be NULL: all others but those computed when they are read."""
        named = {column.name for column in self.columns}
        return tuple(each for each in self.relation.columns if each.name not in named and each.generated != "v")

    @property
    def rows(self) -> tuple[tuple[str | None, ...], ...]:
        """Return the smallest values and the largest, in the columns' order."""
        known = [extreme for extreme in self.extremes if self.relation.column(extreme.column) is not None]
        return tuple(each.minimum for each in known), tuple(each.maximum for each in known)


def restore_statistics(sessions: Sessions, snapshot: Snapshot) -> tuple[NotExamined, ...]:
    """Restore pg_class and pg_statistic of everything captured; return what the server would not take."""
    failures: list[NotExamined] = []
    for restorations in (_relations(snapshot), _columns(snapshot, "column"), _columns(snapshot, "domain")):
        while batch := tuple(itertools.islice(restorations, _AT_ONCE)):
            try:
                with sessions.restoring(by_insertion=batch[0].by_insertion) as connection:
                    done = _restore_at_once(connection, batch)
                failures += [_refused(each) for place, each in enumerate(batch, 1) if place not in done]
            except psycopg.Error:
                if sessions.is_broken:
                    raise
                failures += [failure for each in batch for failure in _restore(sessions, each)]
    return tuple(failures)


def _relations(snapshot: Snapshot) -> Iterator[_Restoration]:
    for relation in snapshot.relations:
        if relation.kind in "rpm":
            values = relation.model_dump(include={"schema_name", "name", "pages", "tuples", "all_visible_pages"})
            yield _Restoration(kind="relation", values=values, what=f"{relation.schema_name}.{relation.name}")
    for index in snapshot.indexes:
        if index.valid:
            name = {"schema_name": index.definition.schema, "name": index.definition.name}
            sizes = {"pages": index.pages, "tuples": index.tuples, "all_visible_pages": 0}
            yield _Restoration(kind="relation", values=name | sizes, what=f"index {'.'.join(name.values())}")


def _columns(snapshot: Snapshot, kind: Literal["column", "domain"]) -> Iterator[_Restoration]:
    domains = {ident(each.schema_name, each.name) for each in snapshot.types if each.kind == "d"}
    for row in snapshot.statistics:
        relation = snapshot.relation(row.schema_name, row.relation)
        column = relation and relation.column(row.column)
        has_domain = column is not None and column.type in domains
        if has_domain == (kind == "domain"):
            what = f"statistics of {row.schema_name}.{row.relation}.{row.column}"
            yield _Restoration(kind=kind, values=restorable(row), what=what)


def _restore_at_once(connection: Connection, batch: Sequence[_Restoration]) -> set[int]:
    """Restore rows of one kind; return the places, from 1, of those that were taken whole."""
    major = connection.info.server_version // 10_000
    rows = [each.values for each in batch]
    if batch[0].kind == "relation":
        bind = {name: [row[name] for row in rows] for name in rows[0]}
        found = connection.execute(render("twin/restore_relations", pg=major), bind)
    elif batch[0].kind == "column" and major >= _MANY_COLUMNS:
        bind = {"rows": json.dumps(rows, ensure_ascii=False)}
        found = connection.execute(render("twin/restore_columns"), bind)
    else:
        query = batch[0].query(major)
        with connection.pipeline():
            answers = [connection.execute(query, row) for row in rows]
        return {place for place, answer in enumerate(answers, 1) if _is_done(answer)}
    return {row["place"] for row in found if row["restored"]}


def _restore(sessions: Sessions, each: _Restoration) -> list[NotExamined]:
    try:
        with sessions.restoring(by_insertion=each.by_insertion) as connection:
            answer = connection.execute(each.query(sessions.major), each.values)
    except psycopg.Error as error:
        if sessions.is_broken or isinstance(error, psycopg.errors.DiskFull):
            raise
        return [NotExamined(what=each.what, reason=f"not restored: {error.diag.message_primary}")]
    return [] if _is_done(answer) else [_refused(each)]


def _is_done(answer: psycopg.Cursor[DictRow]) -> bool:
    row = answer.fetchone()
    return row is not None and bool(row["restored"])


def _refused(each: _Restoration) -> NotExamined:
    return NotExamined(what=each.what, reason="the twin's server did not accept all of it")


def restorable(row: ColumnStatistics) -> dict[str, Any]:
    """Return what `twin/restore_column_statistics` binds; frequencies without values are omitted."""
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
    sessions: Sessions, snapshot: Snapshot, oids: dict[tuple[str, str], int]
) -> tuple[NotExamined, ...]:
    """Insert two rows per table: the smallest and the largest value of each indexed column.

    The planner probes an index for its actual extremes when an inequality reaches beyond the histogram
    (get_actual_variable_range). A table without pages stays empty, because its size is part of the plan.
    """
    by_table: dict[tuple[str, str], list[Extreme]] = {}
    for extreme in snapshot.extremes:
        if extreme.minimum is not None:
            by_table.setdefault((extreme.schema_name, extreme.table), []).append(extreme)
    held: list[_Extremes] = []
    for relation in snapshot.relations:
        key = (relation.schema_name, relation.name)
        if relation.kind in "rm" and relation.size_bytes and key in by_table and key in oids:
            held.append(_Extremes(oid=oids[key], relation=relation, extremes=tuple(by_table[key])))
    failures: list[NotExamined] = []
    for start in range(0, len(held), _TABLES_AT_ONCE):
        failures += _insert(sessions, held[start : start + _TABLES_AT_ONCE])
    return tuple(failures)


def _insert(sessions: Sessions, tables: Sequence[_Extremes]) -> Iterator[NotExamined]:
    """Insert the rows of some tables at once, or one by one where the server will not have those of one."""
    try:
        with (
            _suspended(sessions.superuser, tables),
            sessions.building() as connection,
            connection.transaction(),
            connection.pipeline(),
        ):
            for table in tables:
                if table.columns:
                    connection.execute(render("twin/insert_extremes", table=table))
    except psycopg.Error as error:
        if sessions.is_broken or isinstance(error, psycopg.errors.DiskFull):
            raise
        if len(tables) > 1:
            for table in tables:
                yield from _insert(sessions, (table,))
        else:
            what = f"{tables[0].relation.schema_name}.{tables[0].relation.name}"
            yield NotExamined(what=what, reason=f"extremes not restored: {error.diag.message_primary}")


@contextlib.contextmanager
def _suspended(superuser: Connection, tables: Sequence[_Extremes]) -> Generator[None]:
    """Let rows into tables, and values into domains, that fit no constraint while the block runs."""
    named = {"oids": [table.oid for table in tables]}
    before = superuser.execute(render("twin/read_suspended"), named).fetchall()
    columns = [(table.oid, column) for table in tables for column in table.relation.columns]
    captured = {
        "oids": [oid for oid, _ in columns],
        "names": [column.name for _, column in columns],
        "not_null": [column.not_null for _, column in columns],
        "identity": [column.identity for _, column in columns],
        "generated": [column.generated for _, column in columns],
    }
    with superuser.transaction():
        superuser.execute(render("twin/suspend_constraints"), named)
        superuser.execute(render("twin/suspend_checks"), named)
        deferrable = superuser.execute(render("twin/suspend_deferrable"), named).fetchall()
        nulls = superuser.execute(render("twin/suspend_domain_nulls")).fetchall()
        superuser.execute(render("twin/suspend_domains"))
    try:
        yield
    finally:
        if not superuser.closed:
            with superuser.transaction():
                superuser.execute(render("twin/resume_domain_nulls"), {"oids": [row["oid"] for row in nulls]})
                superuser.execute(render("twin/resume_domains"))
                superuser.execute(render("twin/resume_deferrable"), {"oids": [row["oid"] for row in deferrable]})
                overwritten = {name: [row[name] for row in before] for name in (before[0] if before else ())}
                superuser.execute(render("twin/resume_checks"), overwritten)
                superuser.execute(render("twin/resume_constraints"), captured)


def unreadable_ranges(snapshot: Snapshot) -> Iterator[NotExamined]:
    """Yield the columns whose distribution no role but a superuser could read before 17."""
    if snapshot.server.major >= 17:
        return
    ranges = _ranges(snapshot)
    analysed = {(row.schema_name, row.relation, row.column) for row in snapshot.statistics}
    for relation in snapshot.relations:
        for column in relation.columns:
            if column.type in ranges and (relation.schema_name, relation.name, column.name) in analysed:
                reason = "before PostgreSQL 17, range histograms are not visible; the planner uses default estimates"
                what = f"statistics of {relation.schema_name}.{relation.name}.{column.name}"
                yield NotExamined(what=what, reason=reason)


def _ranges(snapshot: Snapshot) -> set[str]:
    """Return the ranges and multiranges, and the domains over any of them, as format_type prints them."""
    found = set(_RANGES)
    for each in snapshot.types:
        if each.kind == "r":
            multirange = dict(each.options).get("multirange_type_name")
            found |= {ident(each.schema_name, each.name), *([multirange] if multirange else [])}
    domains = [each for each in snapshot.types if each.kind == "d"]
    while more := [each for each in domains if each.base_type in found]:
        found |= {ident(each.schema_name, each.name) for each in more}
        domains = [each for each in domains if each not in more]
    return found


def restore_expressions(sessions: Sessions, schema: str, name: str, learnt: Learnt) -> None:
    """Give an added index the statistics that its expressions are known to have."""
    if not learnt.expressions:
        return
    index = {"index": ident(schema, name)}
    columns = [row["name"] for row in sessions.superuser.execute(render("twin/read_index_columns"), index).fetchall()]
    query = render("twin/restore_column_statistics", pg=sessions.major)
    with sessions.restoring() as connection:
        for key in learnt.expressions:
            names = {"schema_name": schema, "relation": name, "column": columns[key.number - 1], "inherited": False}
            connection.execute(query, restorable(key.statistics) | names)
