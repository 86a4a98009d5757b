"""Read relations with their columns and constraints."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.capture.reader import Reader, grouped
from analyzer.documents.bounds import MOST_ROWS
from analyzer.documents.snapshot import Column, Constraint, NotExamined, Relation, TableActivity
from analyzer.sql import ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Relations that are locked by another session."""

    oids: tuple[int, ...]
    not_examined: tuple[NotExamined, ...]


def read_blocked(reader: Reader) -> Blocked:
    """Read the relations on which other sessions hold or await an ACCESS EXCLUSIVE lock."""
    rows = reader.rows("blocked")
    return Blocked(oids=tuple(row["oid"] for row in rows), not_examined=tuple(_blocked_reasons(rows)))


def _blocked_reasons(rows: list[dict[str, object]]) -> list[NotExamined]:
    kinds = {"r": "table", "p": "table", "m": "materialised view", "v": "view", "f": "table", "i": "size of index"}
    return [
        NotExamined(
            what=f"{kinds[str(row['kind'])]} {ident(str(row['schema_name']), str(row['name']))}",
            reason="another session holds or waits for an ACCESS EXCLUSIVE lock on it; capture again later"
            if row["direct"]
            else "it reads a table on which another session holds an ACCESS EXCLUSIVE lock; capture again later",
        )
        for row in rows
        if row["kind"] in kinds and not str(row["schema_name"]).startswith("pg_")
    ]


def read_relations(reader: Reader, blocked: Blocked) -> dict[int, Relation]:
    """Read the relations of users, by oid, in order of schema and name; blocked ones are skipped."""
    rows = reader.rows("relations", {"blocked": list(blocked.oids)})
    for row in rows:  # since 18 a table's owner can write any number
        row["tuples"] = min(row["tuples"], MOST_ROWS) if row["tuples"] >= -1 else -1
    oids = {"relations": [row["oid"] for row in rows]}
    columns = grouped(reader.rows("columns", oids))
    constraints = grouped(reader.rows("constraints", oids))
    activity = _read_activity(reader, oids)
    return {
        row["oid"]: Relation(
            columns=tuple(Column(**column) for column in columns.get(row["oid"], [])),
            constraints=tuple(Constraint(**c) for c in constraints.get(row["oid"], []) if c["definition"] is not None),
            activity=activity.get(row["oid"]),
            **row,
        )
        for row in rows
    }


def _read_activity(reader: Reader, oids: Mapping[str, object]) -> dict[int, TableActivity]:
    return {oid: TableActivity(**row) for oid, (row,) in grouped(reader.rows("relation_activity", oids)).items()}
