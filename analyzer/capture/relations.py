"""Read relations with their columns and constraints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow

from analyzer.capture.changing import CHANGED
from analyzer.capture.reader import Reader, grouped
from analyzer.documents.bounds import MOST_ROWS
from analyzer.documents.snapshot import NotExamined, Relation, TableActivity
from analyzer.sql import ident

_KINDS = {"r": "table", "p": "table", "m": "materialised view", "v": "view", "f": "table", "i": "size of index"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Relations that are locked by another session."""

    oids: tuple[int, ...]
    not_examined: tuple[NotExamined, ...]


def read_blocked(reader: Reader) -> Blocked:
    """Read the relations on which other sessions hold or await an ACCESS EXCLUSIVE lock."""
    rows = reader.rows("blocked")
    return Blocked(oids=tuple(row["oid"] for row in rows), not_examined=tuple(_blocked_reasons(rows)))


def label(kind: str, schema: str, name: str) -> str:
    """Name a relation."""
    return f"{_KINDS[kind]} {ident(schema, name)}"


def _label(row: DictRow) -> str:
    return label(row["kind"], row["schema_name"], row["name"])


def _blocked_reasons(rows: list[DictRow]) -> list[NotExamined]:
    return [
        NotExamined(
            what=_label(row),
            reason="another session holds or waits for an ACCESS EXCLUSIVE lock on it; capture again later"
            if row["direct"]
            else "it reads a table on which another session holds an ACCESS EXCLUSIVE lock; capture again later",
        )
        for row in rows
        if row["kind"] in _KINDS and not str(row["schema_name"]).startswith("pg_")
    ]


def read_relations(reader: Reader, blocked: Blocked) -> dict[int, Relation]:
    """Read the relations of users, by oid, in order of schema and name; blocked and changed ones are skipped."""
    naming = ("oid", "schema_name", "name", "kind")
    rows = reader.printed("relations", {"blocked": list(blocked.oids)}, what=_label, naming=naming)
    for row in rows:  # since 18 a table's owner can write any number
        row["tuples"] = min(row["tuples"], MOST_ROWS) if row["tuples"] >= -1 else -1
    oids = {"relations": [row["oid"] for row in rows]}
    names = {row["oid"]: _label(row) for row in rows}
    columns = grouped(reader.printed("columns", oids, what=lambda row: names[row["oid"]], naming=("oid",)))
    constraints = _read_constraints(reader, oids, names)
    activity = _read_activity(reader, oids)
    return {
        row["oid"]: relation
        for row in rows
        if names[row["oid"]] not in reader.changed
        for relation in reader.record(
            names[row["oid"]], Relation,
            columns=columns.get(row["oid"], ()), constraints=constraints.get(row["oid"], ()),
            activity=activity.get(row["oid"]), **row,
        )
    }  # fmt: skip


def note_dropped(reader: Reader, names: Mapping[int, str]) -> None:
    """Note which relations were dropped while they were read; of such a one, anything may be missing."""
    rows = reader.rows("dropped", {"relations": list(names)})
    reader.changed.update({names[row["oid"]]: CHANGED for row in rows})


def _read_constraints(
    reader: Reader, oids: Mapping[str, object], names: Mapping[int, str]
) -> dict[int, list[dict[str, Any]]]:
    rows = reader.printed(
        "constraints", oids, what=lambda row: f"constraint {ident(row['name'])} of {names[row['oid']]}",
        naming=("constraint_oid", "oid", "name"), required="definition",
    )  # fmt: skip
    return grouped([{name: value for name, value in row.items() if name != "constraint_oid"} for row in rows])


def _read_activity(reader: Reader, oids: Mapping[str, object]) -> dict[int, TableActivity]:
    return {oid: TableActivity(**row) for oid, (row,) in grouped(reader.rows("relation_activity", oids)).items()}
