"""Updates that are not heap-only (HOT), and whether indexes or full pages are the cause."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.advise.upkeep import held_columns
from analyzer.amounts import percent, plural, whole
from analyzer.catalog import Catalog
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact, Remedy
from analyzer.documents.snapshot import Index, Relation
from analyzer.postgres.access_methods import SUMMARIZING
from analyzer.sql import ident, render_text

_BLOCKED_ROWS = Threshold(
    name="hot-blocked.rows", default=10_000, unit="updates", meaning="tables with fewer updates are not reported"
)
_BLOCKED_SHARE = Threshold(
    name="hot-blocked.share", default=0.5, unit="of the updates",
    meaning="tables with a larger share of HOT updates are not reported",
)  # fmt: skip
_FULL_ROWS = Threshold(
    name="pages-full.rows", default=10_000, unit="updates", meaning="tables with fewer updates are not reported"
)
_FULL_SHARE = Threshold(
    name="pages-full.share", default=0.2, unit="of the updates",
    meaning="tables of which fewer updates went to another page are not reported",
)  # fmt: skip
#: From this version on, an UPDATE of columns that only summarizing indexes hold can be HOT.
_SUMMARIZING_SINCE = 16
#: What a table is proposed to leave free, and what is room already.
_FILLFACTOR, _ROOMY, _DEFAULT = 85, 90, 100
_LOCK = "SHARE UPDATE EXCLUSIVE"
#: Of the recorded updates: if as many set a column of an index, room alone does not make them HOT.
_HALF = 0.5
#: Columns that are named.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Updates:
    """The updates of a table, its partitions included."""

    rows: int
    hot: int
    #: Of the others, those whose new version went to another page; None before 16.
    elsewhere: int | None
    #: Rows that recorded statements updated, and of these the ones in a column that an index holds.
    recorded: float
    holding: float
    #: By column of an index: the rows in which it was set, and the indexes.
    columns: Mapping[str, tuple[float, tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[float, tuple[str, ...]]]
    )

    @property
    def held_back(self) -> int | None:
        """Updates that stayed on their page and were not HOT: an index holds what they changed."""
        return None if self.elsewhere is None else max(0, self.rows - self.hot - self.elsewhere)

    @property
    def hot_share(self) -> float:
        """The share of the updates that was HOT."""
        return min(1.0, self.hot / self.rows) if self.rows else 1.0

    @property
    def holding_share(self) -> float:
        """The share of the recorded updates that set a column of an index."""
        return self.holding / self.recorded if self.recorded else 0.0


def _tables(database: Database) -> list[tuple[str, list[Relation], _Updates | str]]:
    """Return each table, no partitions, with the parts that hold rows and the updates, or why these are not known."""
    return list(_read(database))


def _read(database: Database) -> Iterator[tuple[str, list[Relation], _Updates | str]]:
    catalog = database.catalog
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        if relation.kind not in "rp" or relation.partition_bound is not None:
            continue
        tree = [relation, *catalog.partitions(relation)]
        parts = [each for each in tree if each.kind == "r"]
        if catalog.snapshot.server.in_recovery:
            yield (
                ident(*relation.full_name),
                parts,
                "only a standby was captured, and writes are counted on the primary",
            )
        elif any(each.activity is None for each in parts):
            yield ident(*relation.full_name), parts, "the server does not show its counters"
        else:
            yield ident(*relation.full_name), parts, _updates(tree, parts, database)


def _updates(tree: Sequence[Relation], parts: Sequence[Relation], database: Database) -> _Updates:
    counted = [each.activity for each in parts if each.activity is not None]
    elsewhere = [each.rows_newpage_updated for each in counted]
    known = [max(0, each) for each in elsewhere if each is not None]
    holders = _holders(tree, database.catalog)
    recorded = holding = 0.0
    columns: dict[str, float] = {}
    for relation in tree:
        for statement, table in (database.asked or {}).get(relation.full_name, ()):
            if table.target not in ("update", "merge") or not table.written:
                continue
            rows = float(statement.rows if statement.rows is not None else statement.calls)
            held = [each for each in table.written if each in holders]
            recorded, holding = recorded + rows, holding + (rows if held else 0.0)
            for each in held:
                columns[each] = columns.get(each, 0.0) + rows
    return _Updates(
        rows=sum(max(0, each.rows_updated) for each in counted),
        hot=sum(max(0, each.rows_hot_updated) for each in counted),
        elsewhere=sum(known) if len(known) == len(elsewhere) else None,
        recorded=recorded,
        holding=holding,
        columns={each: (rows, tuple(sorted(holders[each]))) for each, rows in columns.items() if rows},
    )


def _holders(tree: Sequence[Relation], catalog: Catalog) -> dict[str, set[str]]:
    """Return by column the indexes that hold it, as a key or else, and so prevent HOT updates of it."""
    found: dict[str, set[str]] = {}
    is_since = catalog.snapshot.server.major >= _SUMMARIZING_SINCE
    for relation in tree:
        for index in catalog.indexes(relation):
            if index.ready and not (is_since and index.definition.method in SUMMARIZING) and _is_named(index, tree[0]):
                for column in held_columns(index.definition, relation):
                    found.setdefault(column, set()).add(str(index.definition.qualified_name))
    return found


def _is_named(index: Index, root: Relation) -> bool:
    """Say whether an index is no part of one of the table itself, which is named instead."""
    return index.parent is None or index.definition.full_table == root.full_name


def hot_blocked(database: Database) -> Iterator[Answer]:
    """Flag tables few of whose updates are HOT because indexes hold what is updated, and not because pages are full."""
    least, most = database.value(_BLOCKED_ROWS), database.value(_BLOCKED_SHARE)
    for name, _, found in database.once(_tables):
        if isinstance(found, str):
            yield Skipped(object=name, reason=found)
        elif found.rows < least or found.hot_share >= most:
            yield Fine(object=name)
        elif found.held_back is None and not found.columns:
            yield Skipped(object=name, reason=f"{_uncounted(database)}, and {_UNKNOWN_CAUSE}")
        elif (found.held_back is None and found.holding_share < 1 - most) or (
            found.held_back is not None and found.held_back <= (found.elsewhere or 0)
        ):
            yield Fine(object=name)
        else:
            yield _blocked(name, found)


_UNKNOWN_CAUSE = "no recorded UPDATE sets a column of an index"


def _uncounted(database: Database) -> str:
    """Say why it is not known how many updates went to another page."""
    if database.catalog.snapshot.server.major >= _SUMMARIZING_SINCE:
        return "the snapshot does not have the updates that went to another page; capture it again"
    return "before PostgreSQL 16 updates that go to another page are not counted"


def _blocked(name: str, found: _Updates) -> Flagged:
    by_rows = sorted(found.columns.items(), key=lambda each: (-each[1][0], each[0]))
    held = "; ".join(f"{ident(column)} ({', '.join(indexes)})" for column, (_, indexes) in by_rows[:_NAMED])
    why = (
        "recorded statements set columns that indexes hold"
        if found.held_back is None
        else f"{found.held_back:,} others stayed on their page, but changed columns that indexes hold"
    )
    named = f": {held}" if held else ""
    return Flagged(
        object=name,
        message=f"{percent(found.hot_share)} of {plural(found.rows, 'update')} were HOT; {why}{named}",
        evidence=(
            Fact(name="updates", value=found.rows, unit="rows"),
            Fact(name="hot_updates", value=found.hot, unit="rows"),
            *(
                (Fact(name="newpage_updates", value=found.elsewhere, unit="rows"),)
                if found.elsewhere is not None
                else ()
            ),
            *(Fact(name=f"set_{column}", value=round(rows), unit="rows") for column, (rows, _) in by_rows[:_NAMED]),
        ),
        caveats=(
            "a column that is set to the value it has does not prevent HOT",
            *(() if held else ("no recorded UPDATE sets a column of an index, so that it is not known which one",)),
        ),
        rewrite="take the column out of keys, INCLUDE, expressions and predicates of indexes that do not need it, or "
        "update it in a table of its own; BRIN does not prevent HOT from 16 on",
        confidence="exact" if found.held_back is not None else "estimate",
    )


def pages_full(database: Database) -> Iterator[Answer]:
    """Flag tables whose updates go to other pages for want of room, where no index prevents HOT anyway."""
    least, most = database.value(_FULL_ROWS), database.value(_FULL_SHARE)
    for name, parts, found in database.once(_tables):
        if isinstance(found, str):
            yield Skipped(object=name, reason=found)
        elif found.rows < least or found.hot_share >= 1 - most:
            yield Fine(object=name)
        elif found.elsewhere is None or found.held_back is None:
            yield Skipped(object=name, reason=_uncounted(database))
        elif _is_for_want_of_room(found, most) and (packed := [each for each in parts if _fillfactor(each) > _ROOMY]):
            yield _full(name, found, packed, found.elsewhere)
        else:
            yield Fine(object=name)


def _is_for_want_of_room(found: _Updates, most: float) -> bool:
    """Say whether many updates went to another page, and could be HOT on their own."""
    elsewhere, held_back = found.elsewhere or 0, found.held_back or 0
    return elsewhere >= most * found.rows and held_back < elsewhere and found.holding_share < _HALF


def _full(name: str, found: _Updates, packed: Sequence[Relation], elsewhere: int) -> Flagged:
    return Flagged(
        object=name,
        message=f"{percent(elsewhere / found.rows)} of {plural(found.rows, 'update')} went to another page and added "
        f"an entry to each index, since theirs was full (fillfactor {max(map(_fillfactor, packed))})",
        evidence=(
            Fact(name="updates", value=found.rows, unit="rows"),
            Fact(name="hot_updates", value=found.hot, unit="rows"),
            Fact(name="newpage_updates", value=elsewhere, unit="rows"),
        ),
        caveats=(
            "it applies to pages filled from then on; VACUUM FULL rewrites the others under ACCESS EXCLUSIVE",
            "the table becomes larger by what is left free",
        ),
        remedy=_with_room(packed),
        confidence="estimate",
    )


def _fillfactor(relation: Relation) -> int:
    return whole(dict(each.split("=", 1) for each in relation.parameters if "=" in each).get("fillfactor"), _DEFAULT)


def _with_room(parts: Sequence[Relation]) -> Remedy:
    names = [{"schema": each.schema_name, "table": each.name} for each in parts]
    is_default = [_fillfactor(each) == _DEFAULT for each in parts]
    return Remedy(
        sql=tuple(render_text("health/set_fillfactor", **each, fillfactor=_FILLFACTOR) for each in names),
        reverse=tuple(
            render_text("health/reset_fillfactor", **each)
            if default
            else render_text("health/set_fillfactor", **each, fillfactor=_fillfactor(relation))
            for each, default, relation in zip(names, is_default, parts, strict=True)
        ),
        lock=_LOCK,
    )


RULES = (
    HealthRule(
        code="TX504", name="hot-blocked", severity="warning", title="indexes keep updates from being HOT",
        examine=hot_blocked, thresholds=(_BLOCKED_ROWS, _BLOCKED_SHARE),
    ),
    HealthRule(
        code="TX509", name="pages-full", severity="info", title="updates go to other pages because theirs are full",
        examine=pages_full, thresholds=(_FULL_ROWS, _FULL_SHARE),
    ),
)  # fmt: skip
