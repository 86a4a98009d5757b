"""Read planner statistics, the extremes of indexed columns, and which of them the role cannot read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors
from psycopg.rows import DictRow
from pydantic import ValidationError

from analyzer.capture.guard import ChangedError
from analyzer.capture.reader import REFUSALS, Reader, refusal
from analyzer.documents.admission import breach
from analyzer.documents.snapshot import ColumnStatistics, Extreme, Index, NotExamined, Relation
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident

#: Tables whose extremes are asked for together: a round trip less for each. Few, because what happens
#: to the last one while the first are planned is not seen.
_TABLES_AT_ONCE = 2
#: How many tables, and columns of a table, are named one by one.
_TABLES_NAMED, _COLUMNS_NAMED = 200, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Statistics that the role cannot read."""

    #: oids of tables of which it may not read every row and column.
    oids: frozenset[int]
    #: Columns it may not read of those of which it may read some, and every row.
    columns: Mapping[int, frozenset[str]]
    not_examined: tuple[NotExamined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Extremes, and the tables whose extremes could not be read."""

    extremes: tuple[Extreme, ...]
    not_examined: tuple[NotExamined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """A column whose extremes are read."""

    schema: str
    table: str
    columns: tuple[str, ...]
    #: Those whose type is not PostgreSQL's own.
    own_types: frozenset[str]


def read_unreadable(reader: Reader, relations: Sequence[int]) -> Unreadable:
    """Read which statistics of the relations the role cannot read."""
    rows = reader.rows("unreadable", {"relations": list(relations)})
    return Unreadable(
        oids=frozenset(row["oid"] for row in rows if row["denied"] or row["row_security"] or row["schema_denied"]),
        columns={
            row["oid"]: frozenset(row["denied"])
            for row in rows
            if not (row["all_denied"] or row["row_security"] or row["schema_denied"])
        },
        not_examined=tuple(_bounded(rows)),
    )


def _bounded(rows: Sequence[DictRow]) -> Iterator[NotExamined]:
    """List hidden statistics, table by table up to a limit."""
    for row in rows[:_TABLES_NAMED]:
        yield from _reasons(row)
    if len(rows) > _TABLES_NAMED:
        reason = "the role lacks the privilege to read some or all of them; GRANT pg_read_all_data to it"
        yield NotExamined(what=f"statistics of {len(rows) - _TABLES_NAMED} more tables", reason=reason)


def _reasons(row: DictRow) -> list[NotExamined]:
    table = ident(row["schema_name"], row["name"])
    reasons: list[NotExamined] = []
    remedy = f"GRANT SELECT ON {table} or GRANT pg_read_all_data to it"
    if row["row_security"]:
        reason = (
            "row security applies to the role, so the server hides its statistics; capture as a role with BYPASSRLS"
        )
        return [NotExamined(what=f"statistics of {table}", reason=reason)]
    if row["schema_denied"]:
        reason = f"the role has no USAGE on schema {ident(row['schema_name'])}; GRANT USAGE or pg_read_all_data to it"
        reasons.append(NotExamined(what=f"extremes of {table}", reason=reason))
    if row["all_denied"]:
        reasons.append(
            NotExamined(what=f"statistics of {table}", reason=f"the role has no SELECT privilege on it; {remedy}")
        )
    elif row["denied"]:
        columns = ", ".join(ident(name) for name in row["denied"][:_COLUMNS_NAMED])
        if len(row["denied"]) > _COLUMNS_NAMED:
            columns += f" and {len(row['denied']) - _COLUMNS_NAMED} more"
        reason = f"the role has no SELECT privilege on these columns; {remedy}"
        reasons.append(NotExamined(what=f"statistics of {table} ({columns})", reason=reason))
    reasons.extend(
        NotExamined(
            what=f"statistics of the expressions of index {ident(row['schema_name'], index)}",
            reason="only the index's owner and pg_read_all_data can see them; GRANT pg_read_all_data to the role",
        )
        for index in row["indexes"]
    )
    return reasons


def read_statistics(
    reader: Reader, relations: Sequence[int], indexes: Sequence[int], *, values: bool
) -> tuple[tuple[ColumnStatistics, ...], tuple[NotExamined, ...]]:
    """Read the pg_stats rows of relations and of index expressions, and name those that are out of bounds.

    Without `values`, no value leaves the server.
    """
    rows = reader.printed(
        "column_statistics", {"relations": [*relations, *indexes], "values": values},
        what=lambda row: f"statistics of {ident(row['schema_name'], row['relation'])}",
        naming=("oid", "schema_name", "relation"),
    )  # fmt: skip
    found: list[ColumnStatistics] = []
    refused: list[NotExamined] = []
    for row in rows:
        try:
            found.append(as_column_statistics(row))
        except ValidationError as error:  # since 18 a table's owner can write any number
            what = f"statistics of {ident(row['schema_name'], row['relation'])} ({ident(row['column'])})"
            refused.append(NotExamined(what=what, reason=breach(error)))
    return tuple(found), tuple(refused)


def as_column_statistics(row: DictRow) -> ColumnStatistics:
    """Turn a row of `capture/column_statistics` into a record."""
    return ColumnStatistics(**{name: value for name, value in row.items() if name != "oid"})


def read_extremes(
    reader: Reader, relations: Mapping[int, Relation], indexes: Sequence[Index], unreadable: Unreadable
) -> Extremes:
    """Read the extremes of every column that leads a plain btree index, through the index.

    These are the columns the planner itself looks up when a comparison reaches beyond the histogram.
    """
    columns = _leading_columns(indexes)
    own_types: dict[int, set[str]] = {}
    for row in reader.rows("types_of_users", {"relations": list(relations)}):
        own_types.setdefault(row["oid"], set()).add(row["name"])
    wanted: list[_Ends] = []
    for oid, relation in relations.items():
        leading = columns.get((relation.schema_name, relation.name), ())
        if oid in unreadable.oids:
            denied = unreadable.columns.get(oid, frozenset(leading))
            leading = tuple(column for column in leading if column not in denied)
        if relation.kind in {"r", "m"} and leading:
            own = frozenset(own_types.get(oid, ()))
            wanted.append(_Ends(schema=relation.schema_name, table=relation.name, columns=leading, own_types=own))
    extremes: list[Extreme] = []
    refused: list[NotExamined] = []
    for start in range(0, len(wanted), _TABLES_AT_ONCE):
        _read_or_refuse(reader, wanted[start : start + _TABLES_AT_ONCE], extremes, refused)
    return Extremes(extremes=tuple(extremes), not_examined=tuple(refused))


def _read_or_refuse(
    reader: Reader, wanted: Sequence[_Ends], extremes: list[Extreme], refused: list[NotExamined]
) -> None:
    """Read ends together; where the server refuses that, each table for itself, and then each column."""
    try:
        extremes += _read_ends(reader, wanted)
    except REFUSALS as error:
        parts = list(wanted)
        if len(wanted) == 1 and not isinstance(error, (ChangedError, psycopg.OperationalError)):  # but of a column
            parts = [replace(wanted[0], columns=(name,)) for name in wanted[0].columns]
        if len(parts) > 1:
            for part in parts:
                _read_or_refuse(reader, [part], extremes, refused)
        elif not isinstance(error, ChangedError):  # whose guard names it
            what = f"extremes of {ident(wanted[0].schema, wanted[0].table)}"
            refused.append(NotExamined(what=what, reason=refusal(error)))


def _read_ends(reader: Reader, wanted: Sequence[_Ends]) -> list[Extreme]:
    tables = [
        (each.schema, each.table, [(column, column in each.own_types) for column in each.columns]) for each in wanted
    ]
    rows = reader.rows_by_index(
        "extremes", about=[QualifiedName(each.schema, each.table) for each in wanted], tables=tables
    )
    if len(rows) < len(wanted):
        raise errors.CharacterNotInRepertoire("a value is not valid UTF-8, and the encoding of the database is unknown")
    return [
        Extreme(schema_name=each.schema, table=each.table, column=column, minimum=minimum, maximum=maximum)
        for each, row in zip(wanted, rows, strict=True)
        for column, minimum, maximum in zip(each.columns, row["ends"][::2], row["ends"][1::2], strict=True)
    ]


def _leading_columns(indexes: Sequence[Index]) -> dict[tuple[str, str], tuple[str, ...]]:
    leading: dict[tuple[str, str], set[str]] = {}
    for index in indexes:
        definition, first = index.definition, index.definition.keys[0]
        plain = definition.where is None and first.opclass is None and first.collation is None
        if definition.method == "btree" and index.valid and plain and first.column is not None:
            leading.setdefault(definition.full_table, set()).add(first.column)
    return {table: tuple(sorted(columns)) for table, columns in leading.items()}
