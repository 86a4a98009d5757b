"""Indexes whose keys tell few rows apart, or hold many rows that no statement looks for."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.advise.candidates import name_of
from analyzer.advise.kept_indexes import purpose
from analyzer.amounts import percent, size
from analyzer.catalog import Catalog
from analyzer.checks.database.remedies import create, drop, free_name
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact, Remedy
from analyzer.documents.snapshot import ColumnStatistics, Index, Relation
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import ident
from analyzer.twin.predict.index_size import predict_size
from analyzer.workload.shapes import TableShape

_LEAST_ROWS = Threshold(
    name="unselective-index.rows", default=10_000, unit="rows", meaning="indexes of smaller tables are not reported"
)
_LEAST_SHARE = Threshold(
    name="unselective-index.share", default=0.1, unit="of the rows",
    meaning="indexes with a value of fewer rows are not reported",
)  # fmt: skip
_LEAST_NULLS = Threshold(
    name="null-heavy-index.share", default=0.5, unit="of the rows", meaning="columns with fewer NULLs are not reported"
)
_LEAST_SAVED = Threshold(
    name="null-heavy-index.size", default=1024**2, unit="bytes", meaning="indexes that would save less are not reported"
)
#: What pg_get_functiondef() writes around a body.
_DOLLARS = re.compile(r"\$(?:function|procedure)x*\$")
#: Share of the most common value from which the others are worth a partial index.
_SKEWED = 0.95
#: Rows in the order of an index are read one page after another, whatever their number.
_ORDERED = 0.9
#: What the frequencies of all values and of NULL must add up to, of which the server has rounded some away.
_ALL = 0.999


def unselective(database: Database) -> Iterator[Answer]:
    """Flag a btree or hash index of one column each of whose values is that of very many rows."""
    catalog, least = database.catalog, database.value(_LEAST_SHARE)
    for index, relation, column in _of_one_column(catalog):
        name = index.definition.qualified_name
        known = catalog.snapshot.column_statistics(*relation.full_name, column)
        if catalog.rows(relation) < database.value(_LEAST_ROWS):
            yield Fine(object=name)
            continue
        if known is None:
            yield Skipped(object=name, reason="the server does not show the statistics of its column")
            continue
        shares = _all_shares(known)
        if shares and max(shares) >= _SKEWED and min(shares) < least:
            yield _skewed(index, column, max(shares), min(shares))
        elif _is_selective(shares, known, least) or _reads_few(index, relation, least, catalog):
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"{ident(column)} has {len(shares):,} values, and each is that of at least "
                f"{percent(min(shares))} of the rows: reading the table is as fast",
                evidence=_evidence(shares),
                caveats=("a count or an order of the column alone may be read from it",),
                remedy=drop([index]),
                rewrite="put a column that statements compare as well before it, or retire it",
                confidence="estimate",
            )


def _is_selective(shares: Sequence[float], known: ColumnStatistics, least: float) -> bool:
    """Say whether some value is that of few rows, or the rows of a value lie together."""
    return not shares or min(shares) < least or abs(known.correlation or 0) >= _ORDERED


def _skewed(index: Index, column: str, most: float, least: float) -> Flagged:
    return Flagged(
        object=index.definition.qualified_name,
        message=f"{percent(most)} of its entries have one value of {ident(column)}: "
        "a partial index of the other rows is smaller",
        severity="info",
        evidence=_evidence([least, most]),
        caveats=("only statements that say the other values as constants can use a partial index",),
        rewrite="declare it with where: for the rare values, if no statement looks for the common one",
        confidence="estimate",
    )


def _evidence(shares: Sequence[float]) -> tuple[Fact, ...]:
    return Fact(name="rarest", value=round(min(shares), 4)), Fact(name="most_common", value=round(max(shares), 4))


def _of_one_column(catalog: Catalog) -> Iterator[tuple[Index, Relation, str]]:
    """Yield the indexes of one column of whole tables that have no purpose besides queries."""
    for index in catalog.snapshot.indexes:
        relation, definition = catalog.relations.get(index.definition.full_table), index.definition
        column = definition.keys[0].column
        plain = len(definition.keys) == 1 and not definition.include and definition.where is None
        if relation is None or relation.kind == "p" or column is None or not plain:
            continue
        if definition.method in ("btree", "hash") and purpose(index) is None:
            yield index, relation, column


def _all_shares(known: ColumnStatistics) -> list[float]:
    """Return the share of the rows of each value and of NULL; none where not all values are known."""
    common = list(known.most_common_frequencies or ())
    if known.distinct != len(common) or sum(common) + known.null_fraction < _ALL:
        return []
    return [*common, *([known.null_fraction] if known.null_fraction else [])]


def _reads_few(index: Index, relation: Relation, least: float, catalog: Catalog) -> bool:
    """Say whether its scans have read few rows each, such as those of a LIMIT."""
    if not index.scans or index.rows_read is None:
        return False
    return index.rows_read / index.scans < least * catalog.rows(relation)


def null_heavy(database: Database) -> Iterator[Answer]:
    """Flag an index of one column that is mostly NULL, if the recorded statements look for its values alone."""
    catalog = database.catalog
    wanted = _null_tests(database) if database.workload is not None else frozenset[str]()
    for index, relation, column in _of_one_column(catalog):
        name = index.definition.qualified_name
        known = catalog.snapshot.column_statistics(*relation.full_name, column)
        if known is None:
            yield Skipped(object=name, reason="the server does not show the statistics of its column")
            continue
        if known.null_fraction < database.value(_LEAST_NULLS):
            yield Fine(object=name)
            continue
        if database.asked is None:
            yield Skipped(object=name, reason="no statements are recorded, and some may look for NULL")
            continue
        saved = _saved(index, known, catalog)
        uses = [table for _, table in database.asked.get(relation.full_name, ())]
        if saved < database.value(_LEAST_SAVED) or column in wanted or not _is_compared(column, uses):
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"{percent(known.null_fraction)} of the rows have no {ident(column)}, and no recorded "
                f"statement looks for NULL: WHERE {ident(column)} IS NOT NULL saves about {size(saved)}",
                evidence=(
                    Fact(name="null_fraction", value=round(known.null_fraction, 4)),
                    Fact(name="saved", value=saved, unit="bytes"),
                ),
                caveats=("statements that were not recorded may look for NULL, or want the order of all rows",),
                remedy=_partial(index, relation, column, catalog),
                confidence="estimate",
            )


def _saved(index: Index, known: ColumnStatistics, catalog: Catalog) -> int:
    """Return about how much of an index its NULLs take."""
    definition = index.definition
    whole = predict_size(definition, catalog.snapshot).bytes
    partial = replace(definition, where=f"{ident(definition.columns[0])} IS NOT NULL")
    part = predict_size(partial, catalog.snapshot, selectivity=1 - known.null_fraction).bytes
    return round((index.size_bytes or 0) * max(0.0, 1 - part / whole))


def _partial(index: Index, relation: Relation, column: str, catalog: Catalog) -> Remedy:
    """Build the partial index, then drop the whole one; the way back is the other way round."""
    narrow = replace(index.definition, where=f"{ident(column)} IS NOT NULL")
    built, dropped = create(narrow.renamed(free_name(name_of(narrow), relation, catalog))), drop([index])
    return Remedy(sql=built.sql + dropped.sql, reverse=dropped.reverse + built.reverse, lock=built.lock)


def _is_compared(column: str, uses: Sequence[TableShape]) -> bool:
    """Say whether statements compare a column, and none needs its NULLs: for an order, for groups."""
    asked = [each for use in uses for each in (use, *use.arms)]
    if any(column in use.nulls or column in use.alternatives for use in asked):
        return False
    ordered = (key for use in asked for keys in (*(sort.keys for sort in use.sorts), use.groups) for key in keys)
    if any(key.column == column or column in (key.expression or "") for key in ordered):
        return False
    return any(
        column in (*use.equalities, *use.ranges) or any(join.column == column for join in use.joins) for use in asked
    )


def _null_tests(database: Database) -> frozenset[str]:
    """Return the names that statements, views and functions test for NULL, or compare as if it were a value."""
    snapshot = database.catalog.snapshot
    statements = database.workload.statements if database.workload is not None else ()
    views = (each.definition for each in snapshot.relations if each.definition is not None)
    functions = (_DOLLARS.sub(" ", each.definition) for each in snapshot.functions)
    texts = (*(each.plannable for each in statements), *views, *functions)
    return frozenset(name for text in texts for name in _tested(text))


def _tested(text: str) -> Iterator[str]:
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    for position in range(len(tokens)):
        behind = tokens[position + 1 : position + 5]
        while behind and behind[0].text == ")":
            behind = behind[1:]
        if _asks_for_null([each.word for each in behind]):
            yield from _names_before(tokens, position)


def _asks_for_null(words: Sequence[str]) -> bool:
    return words[:2] == ["is", "null"] or words[:1] == ["isnull"] or words[:3] == ["is", "not", "distinct"]


def _names_before(tokens: Sequence[Token], position: int) -> Iterator[str]:
    yield from (each.name for each in tokens[max(0, position - 3) : position + 1] if each.name)


RULES = (
    HealthRule(
        code="TX407", name="unselective-index", severity="warning",
        title="index is of a column whose values are those of very many rows each", examine=unselective,
        thresholds=(_LEAST_ROWS, _LEAST_SHARE),
    ),
    HealthRule(
        code="TX408", name="null-heavy-index", severity="info",
        title="most entries of an index are NULL, and no statement looks for them", examine=null_heavy,
        thresholds=(_LEAST_NULLS, _LEAST_SAVED),
    ),
)  # fmt: skip
