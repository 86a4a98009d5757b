"""What works but may disappoint: TX203, TX209 to TX211 and TX214 to TX216."""

import re
from collections.abc import Iterator
from dataclasses import replace

from analyzer.checks.rule import NEEDS_STATEMENTS, NEEDS_STATISTICS, NEEDS_TABLE, Answer, Rule, Subject, Violation
from analyzer.checks.spec.sql_calls import tokens_of
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import rests_on_order
from analyzer.postgres.collations import is_bytewise
from analyzer.postgres.pages import MOST_BTREE_BYTES
from analyzer.workload.shapes import TableShape

_UNBOUNDED = frozenset({"text", "character varying", "jsonb", "bytea", "xml"})
_TEXT = frozenset({"text", "character varying", "character"})
#: Of a histogram or list of common values, one value in quotes or bare.
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)')
#: Below it, neighbouring rows of one value are in too many blocks for BRIN to leave any out.
_CORRELATED = 0.9
_BUSY_WRITES = 100_000


def _wide(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.method != "btree":
        return
    if subject.known is None:
        yield NEEDS_TABLE
        return
    total, unknown = 0, False
    for name in (*index.columns, *index.include):
        statistics = subject.statistics(name)
        column = subject.column(name)
        unknown |= statistics is None
        width = statistics.average_width if statistics is not None else 0
        total += width
        longest = _longest(statistics.most_common_values, statistics.histogram_bounds) if statistics is not None else 0
        kind = subject.type_of_column(column)
        if kind in ("jsonb", "bytea", "xml") or (kind in _UNBOUNDED and longest > MOST_BTREE_BYTES):
            seen = f"a value of {longest:,} bytes was seen" if longest > MOST_BTREE_BYTES else f"{kind} has no limit"
            yield _too_wide(subject, name, f"{name}: {seen}")
    if total > MOST_BTREE_BYTES // 2:
        yield _too_wide(subject, None, f"the columns are {total:,} bytes wide on average")
    elif unknown and index.columns:
        yield NEEDS_STATISTICS


def _too_wide(subject: Subject, name: str | None, why: str) -> Violation:
    index = subject.index
    at: tuple[int | str, ...] = ("keys",)
    fix: IndexDef | None = None
    if name in index.include:
        fix = replace(index, include=tuple(each for each in index.include if each != name))
        at = ("include",)
    elif name is not None and len(index.keys) == 1 and not index.unique and index.keys[0].column == name:
        fix = replace(index, method="hash", include=(), keys=(replace(index.keys[0], descending=False, nulls=None),))
    return Violation(
        message=f"{why}; an entry over {MOST_BTREE_BYTES} bytes fails, the build or any later INSERT",
        at=at,
        rewrite="a hash index or md5() for =, a trigram index for LIKE, left(…, 200) for a prefix; not in INCLUDE",
        fix=fix,
    )


def _longest(*arrays: str | None) -> int:
    found = (match for text in arrays if text is not None for match in _VALUE.finditer(text))
    return max((len((match[1] or match[2] or "").encode()) for match in found), default=0)


def _prefix(subject: Subject) -> Iterator[Answer]:
    """Find a btree that statements with LIKE 'x%' would use if its class compared by bytes."""
    index = subject.index
    key = index.keys[0]
    if index.method != "btree" or key.opclass is not None or key.column is None:
        return
    if subject.known is None:
        yield NEEDS_STATEMENTS
        return
    column = subject.column(key.column)
    if column is None or subject.type_of(key) not in _TEXT or subject.known.catalog.is_c_collation(column):
        return
    if is_bytewise(key.collation):
        return
    if subject.uses is None:
        yield NEEDS_STATEMENTS
        return
    operators = {each.operator for use in subject.uses for each in use.operators if each.column == key.column}
    others = {name for use in subject.uses for name in (*use.equalities, *use.ranges, *(j.column for j in use.joins))}
    sorts = {each.column for use in subject.uses for sort in use.sorts for each in sort.keys}
    if operators & {"like", "~"} and key.column not in others | sorts:
        yield Violation(
            message=f"the statements compare {key.column} with LIKE alone, which this collation's order does not serve",
            at=("keys", 0),
            rewrite="opclass: text_pattern_ops for a prefix, 'x%'; gin_trgm_ops for a part, '%x%'",
            fix=subject.with_key(0, opclass="text_pattern_ops"),
        )


def _pending(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "gin" or "fastupdate" in dict(subject.index.parameters):
        return
    if subject.known is None:
        yield NEEDS_STATISTICS if subject.relation is not None else NEEDS_TABLE
        return
    activity = subject.relation.activity if subject.relation is not None else None
    if activity is None:
        yield NEEDS_STATISTICS
        return
    writes = activity.rows_inserted + activity.rows_updated - activity.rows_hot_updated
    if writes >= _BUSY_WRITES:
        yield Violation(
            message=f"{writes:,} writes and fastupdate is not set: new entries go to a pending list, which a later "
            "write has to flush and every search scans",
            at=("with",),
            rewrite="with: {fastupdate: false} for uniform latency, or set it explicitly to true for bulk loads",
            fix=subject.with_parameters(fastupdate="false"),
        )


def _provable(subject: Subject) -> Iterator[Answer]:
    """Find predicates that hold a constant: a statement must hold the same one, not a parameter."""
    where = subject.index.where
    if where is None:
        return
    tokens = tokens_of(where)
    compared = [t for t in tokens if t.text in ("=", "<", ">", "<=", ">=") or t.word in ("in", "between")]
    constants = [t for t in tokens if t.kind in ("string", "number")]
    if compared and constants and not _implied(subject, where):
        shown = ", ".join(dict.fromkeys(token.text for token in constants[:3]))
        yield Violation(
            message=f"the predicate compares with {shown}: a statement uses the index when a constant in its text "
            f"implies that, not when it binds a parameter whose plan has become generic{_as_recorded(subject, where)}",
            at=("where",),
            rewrite="make the column the first key, or write the constant in the statement",
        )


def _implied(subject: Subject, where: str) -> bool:
    """Say whether a recorded statement holds the predicate as its own condition, constant and all."""
    wanted = [token.text for token in tokens_of(where)]
    conditions = (each for use in subject.uses or () for each in use.conditions)
    return any([token.text for token in tokens_of(each.sql)] == wanted for each in conditions)


def _as_recorded(subject: Subject, where: str) -> str:
    """Say what the recorded statements ask of the predicate's columns; their text has lost its constants."""
    names = {token.name for token in tokens_of(where)}
    columns = sorted(name for name in names if subject.column(name) is not None)
    if subject.uses is None or not columns:
        return ""
    asking = sum(set(columns) <= _compared(use) for use in subject.uses)
    shown = ", ".join(columns)
    if not asking:
        return f"; no recorded statement compares {shown}, so none can use it"
    return f"; {asking} recorded conditions compare {shown}, with a constant or a parameter their text no longer says"


def _compared(use: TableShape) -> set[str]:
    return {
        *use.equalities, *use.nulls, *use.ranges, *use.alternatives, *(each.column for each in use.operators),
        *(name for each in (*use.expressions, *use.conditions) for name in each.columns),
    }  # fmt: skip


def _waits(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if not _waiting(index):
        return
    if subject.known is None:
        yield NEEDS_TABLE
        return
    elsewhere = (each for table, all_of in subject.declared.items() if table != subject.table for each in all_of)
    other = next((each for each in elsewhere if _waiting(each.index) and each.existing is None), None)
    if subject.existing is None and other is not None:
        tables = (f"{each.index.qualified_table} ({_megabytes(each)})" for each in (subject, other))
        yield Violation(
            message="built concurrently, it waits for the concurrent builds of every other partial or expression index,"
            f" such as {other.index.qualified_name}, and they for it, for as long as reading the table twice takes: "
            f"{', '.join(tables)}",
            rewrite="build them one after the other, as one revision does",
        )


def _megabytes(subject: Subject) -> str:
    size_bytes = subject.relation.size_bytes if subject.relation is not None else None
    return "of unknown size" if size_bytes is None else f"{size_bytes / 1024**2:,.0f} MB"


def _waiting(index: IndexDef) -> bool:
    return index.where is not None or any(key.expression is not None for key in index.keys)


def _uncorrelated(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.method != "brin":
        return
    for number, key in enumerate(index.keys):
        if not rests_on_order(key.opclass):
            continue
        statistics = subject.statistics(key.column)
        if subject.known is None:
            yield NEEDS_TABLE
        elif statistics is None or statistics.correlation is None:
            yield NEEDS_STATISTICS
        elif abs(statistics.correlation) < _CORRELATED:
            yield Violation(
                message=f"{key.column} has a physical correlation of only {statistics.correlation:.2f} only: BRIN "
                "reads "
                "most of the table",
                at=("keys", number),
                rewrite="a btree; or a minmax_multi or bloom operator class, if only a few rows are out of order",
                fix=replace(index, method="btree", parameters=()),
            )


def _collated(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.method != "btree" or not index.unique:
        return
    if subject.known is None:
        yield NEEDS_TABLE
        return
    where = "collation: C" if subject.spec.timing is None else 'COLLATE "C" of the column'
    for number, key in enumerate(index.keys):
        column = subject.column(key.column)
        by_bytes = column is not None and subject.known.catalog.is_c_collation(column)
        stated = is_bytewise(key.collation)
        if subject.type_of(key) in _TEXT and not by_bytes and not stated and "pattern" not in (key.opclass or ""):
            yield Violation(
                message=f"{key.column} is unique in the order of a collation of the operating system or ICU: a new "
                "version of it can let duplicates in",
                at=("keys", number),
                rewrite=f"{where} when no text order is asked for; else REINDEX after every upgrade of it",
                fix=subject.with_key(number, collation="C"),
            )


RULES = (
    Rule(
        code="TX203", name="wide-keys", severity="warning", title="index entries may exceed the 2704 bytes of a btree",
        sqlstates=("54000",), check=_wide,
    ),
    Rule(
        code="TX209", name="like-prefix-search", aliases=("prefix-search",), severity="warning",
        title="LIKE cannot use a btree in this collation",
        check=_prefix,
    ),
    Rule(
        code="TX210", name="gin-pending-list", severity="info",
        title="fastupdate is not set on a gin index of a table with many writes",
        check=_pending,
    ),
    Rule(
        code="TX211", name="predicate-constant", severity="info",
        title="predicate compares with a constant that a parameter cannot prove",
        check=_provable,
    ),
    Rule(
        code="TX214", name="concurrent-builds-wait", severity="info",
        title="concurrent build waits for the builds of other tables", check=_waits,
    ),
    Rule(
        code="TX215", name="brin-uncorrelated", severity="warning", title="BRIN column has a low physical correlation",
        check=_uncorrelated,
    ),
    Rule(
        code="TX216", name="collation-version", severity="info",
        title="unique index depends on a collation that an upgrade may change", check=_collated,
    ),
)  # fmt: skip
