"""Read indexes as structure: an IndexDef each, with the server's own text beside it."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from psycopg import errors
from psycopg.rows import DictRow

from analyzer.capture.reader import Reader, name_of
from analyzer.capture.relations import Blocked
from analyzer.documents.snapshot import CollationVersion, GinPages, Index
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.access_methods import plain_number, plain_value

#: Bits of pg_index.indoption.
DESCENDING, NULLS_FIRST = 1, 2
_QUOTED_OR_BRACKET = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]")
_QUOTED_OR_SPACE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\s+")


def read_index_rows(
    reader: Reader, relations: Sequence[int], blocked: Blocked, search_path: Sequence[str]
) -> list[DictRow]:
    """Read the indexes of the given relations as the catalog has them, one row each."""
    bind = {"relations": list(relations), "blocked": list(blocked.oids), "search_path": list(search_path)}
    return reader.printed("indexes", bind, what=partial(name_of, "index"), required="ddl")


def read_index_activity(reader: Reader, relations: Sequence[int]) -> dict[int, DictRow]:
    """Read the counters of the indexes of the given relations, by oid."""
    return {row["oid"]: row for row in reader.rows("index_activity", {"relations": list(relations)})}


def read_collation_versions(reader: Reader, relations: Sequence[int]) -> tuple[CollationVersion, ...] | None:
    """Read the versions of the collations that the indexes are sorted by; None where a library refuses to tell one."""
    try:
        rows = reader.rows("collation_versions", {"relations": list(relations)})
    except (errors.InternalError_, errors.UndefinedObject, errors.FeatureNotSupported):
        return None
    return tuple(CollationVersion(**row) for row in rows)


def as_indexes(
    rows: Sequence[DictRow],
    activity: Mapping[int, DictRow],
    heights: Mapping[int, int],
    gin_pages: Mapping[int, GinPages],
) -> tuple[Index, ...]:
    """Turn the rows of `read_index_rows` into records, with what else is known of them."""
    return tuple(
        as_index(row, activity.get(row["oid"]), heights.get(row["oid"]), gin_pages.get(row["oid"])) for row in rows
    )


def as_index(
    row: DictRow, activity: DictRow | None = None, height: int | None = None, gin: GinPages | None = None
) -> Index:
    """Turn a row of `capture/indexes` into a record, with what else is known of it."""
    return Index(
        definition=definition(row),
        ddl=row["ddl"],
        oid=row["oid"],
        constraint=row["constraint"],
        unique_constraint=row["unique_constraint"],
        primary=row["is_primary"],
        valid=row["is_valid"],
        ready=row["is_ready"],
        replica_identity=row["replica_identity"],
        clustered=row["clustered"],
        pages=row["pages"],
        tuples=row["tuples"],
        size_bytes=row["size_bytes"],
        height=height,
        gin=gin,
        column_names=row["column_names"],
        scans=activity["scans"] if activity else None,
        rows_read=activity["rows_read"] if activity else None,
        last_scan=activity["last_scan"] if activity else None,
        building=activity["building"] if activity else False,
        comment=row["comment"],
        statistics_targets=row["statistics_targets"],
        foreign_keys=row["foreign_keys"],
        parent=(row["parent_schema"], row["parent_name"]) if row["parent_name"] is not None else None,
    )


def definition(row: DictRow) -> IndexDef:
    """Turn a row of `capture/indexes` into the definition it describes."""
    predicate, method = row["predicate"], row["method"]
    return IndexDef(
        schema=row["schema_name"],
        table=row["table_name"],
        name=row["name"],
        method=method,
        keys=tuple(_key(key, row["ddl"]) for key in row["keys"]),
        include=tuple(row["include"]),
        where=unwrapped(one_line(predicate)) if predicate is not None else None,
        unique=row["is_unique"],
        nulls_not_distinct=row["nulls_not_distinct"],
        parameters=tuple((name, plain_value(method, name, value)) for name, value in _pairs(row["parameters"])),
        tablespace=row["tablespace"],
    )


def _key(key: dict[str, Any], ddl: str) -> Key:
    parameters = tuple((name, plain_number(value)) for name, value in _pairs(key["opclass_parameters"]))
    opclass = None
    if parameters or not key["opclass_is_default"]:
        opclass = _qualified(key["opclass_schema"], key["opclass"])
    return Key(
        column=key["column"],
        expression=_expression(key),
        opclass=opclass,
        opclass_parameters=parameters,
        collation=_qualified(key["collation_schema"], key["collation"]) if collates(key, ddl) else None,
        descending=bool(key["option"] & DESCENDING),
        nulls="first" if key["option"] & NULLS_FIRST else "last",
    )


def collates(key: dict[str, Any], ddl: str) -> bool:
    """Say whether a key has another collation than its column or expression.

    An expression's own collation is nowhere in the catalog; the server prints the index's only where the two differ.
    """
    return key["collation_differs"] or (key["raw"] is not None and f"{one_line(key['raw'])} COLLATE " in ddl)


def _expression(key: dict[str, Any]) -> str | None:
    if key["column"] is not None:
        return None
    return unwrapped(one_line(key["expression"]))


def _qualified(schema: str | None, name: str) -> str:
    parts = (name,) if schema is None else (schema, name)
    return ".".join(_quoted_if_dotted(part) for part in parts)


def _quoted_if_dotted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "." in name or '"' in name else name


def _pairs(options: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, _, value in (option.partition("=") for option in options))


def one_line(text: str) -> str:
    """Undo the line breaks the server prints in CASE, outside of quotes."""
    return _QUOTED_OR_SPACE.sub(lambda match: " " if match[0].isspace() else match[0], text).strip()


def unwrapped(text: str) -> str:
    """Take off the parentheses that wrap the whole of an expression the server printed."""
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1]
    return text


def _closing(text: str) -> int:
    """Find the parenthesis that closes the one at the start."""
    depth = 0
    for match in _QUOTED_OR_BRACKET.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return -1
