"""The operator classes of PostgreSQL and of extensions, for tests without a server.

`python -m tests.operator_classes` writes tests/unit/data/operator_classes.json from the embedded server;
tests/server/test_operator_classes.py compares them. What each extension adds stands apart.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

from analyzer.db import Connection, connect
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.operator_classes import OperatorClasses, TypeFacts
from analyzer.sql import ident, render
from analyzer.twin.schema.operator_classes import Rows, operator_classes
from analyzer.twin.server import cluster

FILE = Path(__file__).parent / "unit" / "data" / "operator_classes.json"
EXTENSIONS = (
    "bloom", "btree_gin", "btree_gist", "citext", "cube", "hstore", "intarray", "ltree", "pg_trgm", "vector",
)  # fmt: skip
_OWN = "postgresql"

Lists = dict[str, list[list[object]]]


def of_extensions(names: Iterable[str] = EXTENSIONS, *, schema: str = "public") -> OperatorClasses:
    """Return the operator classes of a server with these extensions, in a schema."""
    return _of_extensions(tuple(sorted(names)), schema)


def of_snapshot(snapshot: Snapshot) -> OperatorClasses:
    """Return the operator classes of a server with the extensions and types of a snapshot."""
    schema = next((each.schema_name for each in snapshot.extensions), "public")
    known = of_extensions([each.name for each in snapshot.extensions], schema=schema)
    own = [
        TypeFacts(
            name=ident(each.schema_name, each.name),
            short_name=each.name,
            kind=each.kind,
            base=known.type_named(each.base_type) if each.kind == "d" and each.base_type else None,
            category={"e": "E", "r": "R", "c": "C", "d": "S"}[each.kind],
            is_preferred=False,
            length=4 if each.kind == "e" else -1,
            attributes=tuple(kind for _, kind in each.attributes),
        )
        for each in snapshot.types
    ]
    return OperatorClasses(
        types=[*known.types.values(), *own], casts=known.casts, operators=known.operators, classes=known.classes
    )


@cache
def _of_extensions(names: tuple[str, ...], schema: str) -> OperatorClasses:
    text = FILE.read_text(encoding="utf-8")
    parts = cast("dict[str, Lists]", json.loads(text))
    moved = cast(
        "dict[str, Lists]", json.loads(text.replace('"public', f'"{schema}').replace(" public.", f" {schema}."))
    )
    chosen = [parts[_OWN], *(moved[name] for name in names if name in moved)]
    return operator_classes({kind: [row for part in chosen for row in part[kind]] for kind in chosen[0]})


def read_parts(connection: Connection) -> dict[str, Lists]:
    """Read what a database with all extensions has, by the extension that it goes with."""
    for name in EXTENSIONS:
        connection.execute(f"CREATE EXTENSION {name}".encode())
    every = _read(connection)
    parts: dict[str, Lists] = {}
    for name in EXTENSIONS:
        connection.execute(f"DROP EXTENSION {name}".encode())
        parts[name] = _difference(every, [_read(connection)])
        connection.execute(f"CREATE EXTENSION {name}".encode())
    return {_OWN: _difference(every, parts.values())} | parts


def _difference(lists: Lists, others: Iterable[Lists]) -> Lists:
    gone = {json.dumps(row) for other in others for rows in other.values() for row in rows}
    return {kind: [row for row in rows if json.dumps(row) not in gone] for kind, rows in lists.items()}


def _read(connection: Connection) -> Lists:
    (row,) = connection.execute(render("twin/read_operator_classes")).fetchall()
    return {kind: [list(each) for each in cast("Rows", rows)] for kind, rows in row.items()}


def written(parts: dict[str, Lists]) -> str:
    """Write the parts, one row a line."""
    blocks = [
        f'"{name}": {{\n'
        + ",\n".join(
            f'"{kind}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
            for kind, rows in part.items()
        )
        + "\n}"
        for name, part in parts.items()
    ]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


if __name__ == "__main__":
    with cluster.temporary() as running, connect(running.url(), autocommit=True) as database:
        FILE.write_text(written(read_parts(database)), encoding="utf-8")
