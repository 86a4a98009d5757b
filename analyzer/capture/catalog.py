"""Read everything but relations: server, settings, extensions, schemas, types and functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from psycopg import errors
from psycopg.rows import DictRow

from analyzer.capture.reader import Reader
from analyzer.documents.snapshot import Extension, FunctionDef, NotExamined, Server, TypeDef, TypeLength


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCatalog:
    """The server and the catalog objects that relations depend on."""

    server: Server
    captured_at: datetime
    extensions: tuple[Extension, ...]
    schemas: tuple[str, ...]
    types: tuple[TypeDef, ...]
    type_lengths: tuple[TypeLength, ...]
    functions: tuple[FunctionDef, ...]
    not_examined: tuple[NotExamined, ...]


def read_settings(reader: Reader) -> dict[str, str]:
    """Read the settings the planner reads, as the session has them; call it before the session is fixed."""
    return {row["name"]: row["setting"] for row in reader.rows("settings")}


def read_catalog(reader: Reader) -> ServerCatalog:
    """Read server, extensions, schemas, types and functions."""
    facts = reader.row("server")
    return ServerCatalog(
        server=as_server(facts),
        captured_at=facts["captured_at"],
        extensions=read_extensions(reader),
        schemas=tuple(row["name"] for row in reader.rows("schemas")),
        types=reader.records("type", TypeDef, "types"),
        type_lengths=reader.records("type", TypeLength, "type_lengths"),
        functions=reader.records("function", FunctionDef, "functions"),
        not_examined=(*_uncaptured(reader), *_extension_indexes(reader)),
    )


def _uncaptured(reader: Reader) -> Iterator[NotExamined]:
    for row in reader.rows("uncaptured"):
        yield NotExamined(what=f"{row['what']} {row['name']}", reason="not supported in snapshots")


def _extension_indexes(reader: Reader) -> Iterator[NotExamined]:
    for row in reader.rows("extension_indexes"):
        reason = f"its table {row['of_table']} belongs to extension {row['extension']}"
        yield NotExamined(what=f"index {row['name']}", reason=reason)


def as_server(facts: DictRow) -> Server:
    """Turn the row of `capture/server` into a record."""
    return Server(**{name: value for name, value in facts.items() if name != "captured_at"})


def with_cluster(server: Server, reader: Reader) -> Server:
    """Return the record of a server with the system identifier of its cluster, unless the role may not see that."""
    try:
        identity = reader.row("identity")
    except errors.InsufficientPrivilege:
        return server
    return server.model_copy(update={"system_identifier": identity["cluster"]})


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Read the installed extensions."""
    return tuple(Extension(**row) for row in reader.rows("extensions"))


def version_numbers(extension: Extension) -> tuple[int, ...]:
    """Return an extension's version as numbers, to compare."""
    return tuple(int(part) for part in re.findall(r"\d+", extension.version))
