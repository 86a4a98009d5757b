"""Indexes that take more space than the rows that they hold need."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.amounts import percent, size, whole
from analyzer.checks.database.remedies import rebuild, rebuild_with
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import ColumnStatistics, Index, Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import is_on
from analyzer.twin.predict.index_size import predict_size

_LEAST_SIZE = Threshold(
    name="bloated-index.size", default=10 * 1024**2, unit="bytes", meaning="smaller indexes are not reported"
)
_LEAST_SHARE = Threshold(
    name="bloated-index.share",
    default=0.5,
    unit="of its pages",
    meaning="indexes with less free space are not reported",
)
_LEAST_SAVED = Threshold(
    name="deduplication-off.size",
    default=1024**2,
    unit="bytes",
    meaning="indexes that would save less are not reported",
)
#: Rows changed since ANALYZE, of all, up to which statistics are taken to hold.
_MOST_CHANGED = 0.1
#: How far what cannot be known may move the estimate, as a share of the index.
_TOLERANCE = 0.05
#: By which factor ANALYZE may be wrong about the different values of a column that it does not read whole.
_DISTINCT_ERROR = 2
#: ANALYZE reads 300 rows for each unit of the statistics target.
_ROWS_PER_TARGET = 300
#: Longer values may be compressed in the index, or stored out of line in the table: their width there is not known.
_WIDEST = 127
#: Posting lists take up to a tenth of a page each, so that pages end up this much fuller or emptier.
_GRAIN = 0.07
#: Of its size a share that deduplication must save.
_LEAST_SAVED_SHARE = 0.2
_DISK = (
    "REINDEX CONCURRENTLY needs the disk of a second index while it runs, and writes as much WAL, which replicas follow"
)
_LEFTOVER = "if it is interrupted it leaves an INVALID index (_ccnew)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Withheld:
    """Why the size of a new build is not known."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """How many bytes a new build takes, as far as the statistics say."""

    best: int
    least: float
    most: float

    def withheld(self, held: int) -> str | None:
        """Say why it is not known well enough for an index that takes so many bytes now; None where it is."""
        if max(self.most - self.best, self.best - self.least) <= _TOLERANCE * held:
            return None
        return "how many rows share a value is not known well enough for what deduplication saves"


def bloated(database: Database) -> Iterator[Answer]:
    """Flag a btree that a new build would make much smaller, by an estimate that is withheld where it may be wrong."""
    least, most = database.value(_LEAST_SIZE), 1 - database.value(_LEAST_SHARE)
    for index, relation in _stored(database):
        name, held = index.definition.qualified_name, index.size_bytes
        if held is None:
            yield Skipped(object=name, reason="its size is not known")
        elif held < least:
            yield Fine(object=name)
        elif isinstance(built := _built(index.definition, relation, database), _Withheld):
            yield Skipped(object=name, reason=built.reason)
        elif built.least > most * held:
            yield Fine(object=name)
        elif (reason := built.withheld(held)) is not None:
            yield Skipped(object=name, reason=reason)
        elif built.best > most * held:
            yield Fine(object=name)
        else:
            remedy = rebuild(index, database.catalog.snapshot.server.version_num)
            yield Flagged(
                object=name,
                message=f"about {percent(1 - built.best / held)} of its {size(held)} is free: "
                f"a new build takes {size(built.best)}",
                evidence=(
                    Fact(name="size", value=held, unit="bytes"),
                    Fact(name="predicted_size", value=built.best, unit="bytes"),
                    Fact(name="free", value=round(1 - built.best / held, 3)),
                ),
                caveats=(_DISK, _LEFTOVER),
                remedy=remedy,
                rewrite=None
                if remedy
                else "PostgreSQL 14.0 to 14.3 corrupt indexes that are built CONCURRENTLY: upgrade",
                confidence="estimate",
            )


def deduplication_off(database: Database) -> Iterator[Answer]:
    """Flag a btree with `deduplicate_items = off` whose equal keys would share much of its space."""
    least = database.value(_LEAST_SAVED)
    for index, relation in _stored(database):
        name, definition = index.definition.qualified_name, index.definition
        given = dict(definition.parameters)
        if is_on(given.get("deduplicate_items", "on")) or definition.unique or definition.include:
            yield Fine(object=name)
            continue
        held = index.size_bytes or 0
        gathered = replace(definition, parameters=tuple((k, v) for k, v in given.items() if k != "deduplicate_items"))
        built, each = _built(gathered, relation, database), _built(definition, relation, database)
        if held < least:
            yield Fine(object=name)
        elif isinstance(built, _Withheld) or isinstance(each, _Withheld):
            withheld = built if isinstance(built, _Withheld) else each
            yield Skipped(object=name, reason=withheld.reason if isinstance(withheld, _Withheld) else "")
        elif each.best - built.least < (enough := max(least, _LEAST_SAVED_SHARE * each.best)):
            yield Fine(object=name)
        elif (reason := built.withheld(each.best)) is not None:
            yield Skipped(object=name, reason=reason)
        elif each.best - built.best < enough:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"deduplicate_items is off, and equal keys are many: a build with it takes {size(built.best)} "
                f"rather than {size(each.best)}",
                evidence=(
                    Fact(name="size", value=held, unit="bytes"),
                    Fact(name="deduplicated_size", value=built.best, unit="bytes"),
                ),
                caveats=(_DISK, _LEFTOVER),
                remedy=rebuild_with(
                    index,
                    database.catalog.snapshot.server.version_num,
                    {"deduplicate_items": "on"},
                    {"deduplicate_items": "off"},
                ),
                confidence="estimate",
            )


def _stored(database: Database) -> Iterator[tuple[Index, Relation]]:
    """Yield the btree indexes that have pages of their own and serve queries."""
    for index in database.catalog.snapshot.indexes:
        relation = database.catalog.relations.get(index.definition.full_table)
        stored = index.definition.method == "btree" and index.valid and index.ready
        if stored and relation is not None and relation.kind != "p":
            yield index, relation


def _built(definition: IndexDef, relation: Relation, database: Database) -> _Build | _Withheld:
    """Predict the bytes of a new build, and how far what the statistics leave open may move it."""
    statistics = [
        database.catalog.snapshot.column_statistics(*relation.full_name, name)
        for name in (*definition.columns, *definition.include)
    ]
    known = [each for each in statistics if each is not None and not each.inherited]
    if (reason := _unknown(definition, relation, statistics, known)) is not None:
        return _Withheld(reason=reason)
    target = whole(database.catalog.snapshot.settings.get("default_statistics_target"), 100)
    read = _ROWS_PER_TARGET * max(target, *(_target(relation, each.column) for each in known))
    sizes = [
        predict_size(definition, _part(database.catalog.snapshot, relation, known, factor, read)).bytes
        for factor in (1, _DISTINCT_ERROR, 1 / _DISTINCT_ERROR)
    ]
    best = sizes[0]
    separate = replace(definition, parameters=(*definition.parameters, ("deduplicate_items", "off")))
    apart = predict_size(separate, _part(database.catalog.snapshot, relation, known, 1, read)).bytes
    if apart > (1 + _GRAIN) * best:  # posting lists
        sizes += [
            round(best * (1 - _GRAIN)),
            round(best * (1 + _GRAIN)),
            *([apart] if len(definition.keys) > 1 else []),
        ]
    return _Build(best=best, least=min(sizes), most=max(sizes))


def _unknown(
    definition: IndexDef, relation: Relation, statistics: list[ColumnStatistics | None], known: list[ColumnStatistics]
) -> str | None:
    activity = relation.activity
    if definition.where is not None or definition.expressions:
        return "it is partial or has an expression, and the statistics are of whole columns"
    if relation.tuples < 0:
        return "its table was never analyzed"
    if len(known) < len(statistics):
        return "the server does not show the statistics of its columns"
    if activity is None or activity.modified_since_analyze > _MOST_CHANGED * max(relation.tuples, 1):
        return "its table has changed much since it was analyzed"
    if sum(each.average_width for each in known) > _WIDEST:
        return "its values are so long that they may be compressed"
    return None


def _target(relation: Relation, column: str) -> int:
    found = relation.column(column)
    return (found.statistics_target if found is not None else None) or 0


def _part(snapshot: Snapshot, relation: Relation, known: list[ColumnStatistics], factor: float, read: int) -> Snapshot:
    """Return a snapshot of one table, with so many times the different values of columns that were not read whole."""
    rows = max(relation.tuples, 1)
    sampled = rows > read and factor != 1
    changed = [each.model_copy(update={"distinct": _times(each.distinct, factor, rows)}) for each in known]
    extended = tuple(
        each for each in snapshot.extended_statistics if (each.table_schema, each.table) == relation.full_name
    )
    return snapshot.model_copy(
        update={
            "relations": (relation,), "indexes": (), "statistics": tuple(changed if sampled else known),
            "extended_statistics": extended,
        }
    )  # fmt: skip


def _times(distinct: float, factor: float, rows: float) -> float:
    """Multiply a number of different values; -1 is a share of the rows, of which all is known to be unique."""
    if distinct == -1:
        return distinct
    values = distinct if distinct >= 0 else -distinct * rows
    return min(rows, max(1.0, values * factor))


RULES = (
    HealthRule(
        code="TX405", name="bloated-index", severity="warning", title="much of an index is free space",
        examine=bloated, thresholds=(_LEAST_SIZE, _LEAST_SHARE),
    ),
    HealthRule(
        code="TX410", name="deduplication-off", severity="warning",
        title="index keeps equal keys apart, which would share space", examine=deduplication_off,
        thresholds=(_LEAST_SAVED,),
    ),
)  # fmt: skip
