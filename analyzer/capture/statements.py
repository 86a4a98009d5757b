"""Read pg_stat_statements: the statements of this database with their counters."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors
from psycopg.rows import DictRow

from analyzer.amounts import plural
from analyzer.capture.catalog import version_numbers
from analyzer.capture.literals import UnreadableStatementError, without_literals
from analyzer.capture.reader import Reader, refusal
from analyzer.capture.statement_paths import read_search_paths
from analyzer.db import MARKER
from analyzer.documents.snapshot import Extension, NotExamined, Server, StatementCounters
from analyzer.errors import CapabilityError
from analyzer.postgres.carried_queries import CALLS, carried_query, refreshed_view
from analyzer.postgres.lex import IncompleteError, lex, significant

_START = r"^(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"
#: What a planner can plan: queries, and not EXPLAIN, COMMIT, SET and their like.
_PLANNABLE = re.compile(_START + r"(select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE | re.DOTALL)
#: Utility statements that may run a query.
_CARRIER = re.compile(_START + r"(?:copy|declare|prepare|explain|refresh|call|do|create)\b", re.IGNORECASE | re.DOTALL)
#: In an expression of a function.
_SUBQUERY = re.compile(r"\bselect\b", re.IGNORECASE)
#: Text of another database that has no conversion to the encoding of this one: a character, or all of it.
_UNCONVERTED = (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter, errors.UndefinedFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """The statements and the window they were counted in."""

    statements: tuple[StatementCounters, ...] = ()
    #: None before extension version 1.9.
    reset: datetime | None = None
    evicted: int | None = None
    not_examined: tuple[NotExamined, ...] = ()


def read_statements(
    reader: Reader,
    *,
    server: Server,
    extensions: Sequence[Extension],
    values: bool,
    search_path: str,
    schemas: Sequence[str],
) -> Statements:
    """Read the plannable statements of this database.

    `search_path` is the setting of the capturing session, `schemas` those that exist.

    Raises CapabilityError when the extension is missing, not preloaded or too old, or hides every statement. Where it
    cannot show text because of another database's, the statements are not examined.
    """
    extension = _extension(server, extensions)
    try:
        rows = _rows(reader, extension, without_text=False)
    except errors.ObjectNotInPrerequisiteState:
        raise CapabilityError(
            need="pg_stat_statements",
            found="its library is not loaded",
            remedy="add it to shared_preload_libraries in postgresql.conf and restart the server",
        ) from None
    except _UNCONVERTED as error:
        return _without_text(reader, extension, error)
    named = [row for row in rows if row["queryid"] is not None]
    seen = [row for row in named if row["query"] is not None and MARKER not in row["query"]]
    lost = sum(1 for row in named if row["query"] is None)
    hidden = sum(row["entries"] for row in rows if row["queryid"] is None)
    if hidden and not any(_PLANNABLE.match(row["query"]) for row in seen):
        raise CapabilityError(
            need="the text of the statements in pg_stat_statements",
            found=f"role {server.role} sees none of {hidden}",
            remedy=f"GRANT pg_read_all_stats (or pg_monitor) TO {server.role}",
        )
    roles = frozenset(row["user_oid"] for row in seen)
    paths = read_search_paths(reader, roles, setting=search_path, schemas=schemas)
    kept, dropped = _kept(seen, paths, values=values)
    info = _info(reader, extension)
    return Statements(
        statements=summed(kept),
        reset=info["reset"] if info else None,
        evicted=info["evicted"] if info else None,
        not_examined=(*_hidden(hidden, server), *_lost(lost), *dropped, *_none(seen)),
    )


def _rows(reader: Reader, extension: Extension, *, without_text: bool) -> list[DictRow]:
    version = version_numbers(extension)
    return reader.rows(
        "statements",
        schema=extension.schema_name,
        without_text=without_text,
        has_toplevel=version >= (1, 9),
        has_stats_since=version >= (1, 11),
    )


def _extension(server: Server, extensions: Sequence[Extension]) -> Extension:
    extension = next((found for found in extensions if found.name == "pg_stat_statements"), None)
    if extension is None:
        raise CapabilityError(
            need="pg_stat_statements",
            found=f"database {server.database} does not have the extension",
            remedy="run CREATE EXTENSION pg_stat_statements in it (the library must be in shared_preload_libraries)",
        )
    if version_numbers(extension) < (1, 8):
        raise CapabilityError(
            need="pg_stat_statements 1.8 or newer",
            found=f"database {server.database} has {extension.version}",
            remedy="run ALTER EXTENSION pg_stat_statements UPDATE in it",
        )
    return extension


def _without_text(reader: Reader, extension: Extension, error: psycopg.Error) -> Statements:
    """Count what can only be read without its text."""
    rows = _rows(reader, extension, without_text=True)
    others = reader.rows("statements_elsewhere", schema=extension.schema_name)
    named = ", ".join(f"{row['name']} ({row['encoding']})" for row in others)
    reason = (
        "pg_stat_statements converts the statements of all databases to the encoding of this one, and fails: "
        f"{refusal(error)}; run pg_stat_statements_reset(0, oid) for the databases in other encodings: {named}"
    )
    what = f"{plural(sum(row['entries'] for row in rows), 'statement')} with all of the recorded time"
    info = _info(reader, extension)
    return Statements(
        reset=info["reset"] if info else None,
        evicted=info["evicted"] if info else None,
        not_examined=(NotExamined(what=what, reason=reason),),
    )


def _info(reader: Reader, extension: Extension) -> DictRow | None:
    return reader.row("statements_info", schema=extension.schema_name) if version_numbers(extension) >= (1, 9) else None


def _kept(
    rows: Sequence[DictRow], paths: Mapping[int, tuple[str, ...]], *, values: bool
) -> tuple[list[StatementCounters], list[NotExamined]]:
    kept: list[StatementCounters] = []
    dropped: list[NotExamined] = []
    for row in rows:
        if not _runs_queries(row["query"], toplevel=row["toplevel"]):
            continue
        try:
            query = row["query"] if values else without_literals(row["query"])
        except UnreadableStatementError as error:
            what = f"the statement with queryid {row['queryid']}"
            dropped.append(NotExamined(what=what, reason=f"its literals cannot be removed: {error}"))
        else:
            kept.append(_counters(row, query, paths.get(row["user_oid"])))
    return kept, dropped


def _runs_queries(text: str, *, toplevel: bool) -> bool:
    if _PLANNABLE.match(text):
        return True
    if not _CARRIER.match(text):
        return not toplevel and _SUBQUERY.search(text) is not None
    try:
        first = next(iter(significant(lex(text))))
        return first.word in CALLS or carried_query(text) is not None or refreshed_view(text) is not None
    except IncompleteError:
        return True  # it is truncated


def _counters(row: DictRow, query: str, search_path: tuple[str, ...] | None) -> StatementCounters:
    counters = {name: value for name, value in row.items() if name not in {"entries", "query", "user_oid"}}
    return StatementCounters(query=query, search_path=search_path, **counters)


def summed(statements: Iterable[StatementCounters]) -> tuple[StatementCounters, ...]:
    """Sum the counters of the same statement, in an order that does not depend on who counted first."""
    found: defaultdict[tuple[str, bool, tuple[str, ...]], list[StatementCounters]] = defaultdict(list)
    for each in statements:
        found[each.queryid, not each.toplevel, each.search_path or ()].append(each)
    return tuple(_pooled(found[key]) for key in sorted(found))


def _pooled(parts: Sequence[StatementCounters]) -> StatementCounters:
    """Sum counters of one statement; the deviation is that of all its calls together."""
    if len(parts) == 1:
        return parts[0]
    calls, total_ms = sum(part.calls for part in parts), sum(part.total_ms for part in parts)
    mean_ms = total_ms / calls
    squares = sum(part.calls * (part.stddev_ms**2 + part.mean_ms**2) for part in parts) / calls
    sums = ("rows", "shared_blocks_hit", "shared_blocks_read", "temp_blocks")
    return parts[0].model_copy(
        update={
            "calls": calls,
            "total_ms": total_ms,
            "mean_ms": mean_ms,
            "counted_since": max((each.counted_since for each in parts if each.counted_since), default=None),
            "stddev_ms": math.sqrt(max(0.0, squares - mean_ms**2)),
            **{name: sum(getattr(part, name) for part in parts) for name in sums},
        }
    )


def _hidden(count: int, server: Server) -> list[NotExamined]:
    remedy = f"GRANT pg_read_all_stats (or pg_monitor) TO {server.role}"
    reason = f"their text is hidden from role {server.role}; {remedy}"
    return [NotExamined(what=f"{plural(count, 'statement')} of other roles", reason=reason)] if count else []


def _lost(count: int) -> list[NotExamined]:
    reason = "the server no longer has their text; run pg_stat_statements_reset() to record them again"
    return [NotExamined(what=plural(count, "statement"), reason=reason)] if count else []


def _none(rows: Sequence[DictRow]) -> list[NotExamined]:
    reason = (
        "pg_stat_statements has recorded no statement of this database; check pg_stat_statements.track and "
        "compute_query_id"
    )
    return [] if rows else [NotExamined(what="statements", reason=reason)]
