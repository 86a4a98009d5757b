"""Statements that take long, spill to disk, or are recorded as several though they are one."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.amounts import percent, plural, size
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import StatementCounters
from analyzer.workload.statement import Statement

_SLOW = Threshold(
    name="slow-statement.milliseconds",
    default=100,
    unit="ms",
    meaning="statements with a smaller mean are not reported",
)
_SLOW_SHARE = Threshold(
    name="slow-statement.share", default=0.01, unit="of the recorded time",
    meaning="statements that take less of it are not reported",
)  # fmt: skip
_SPILLED = Threshold(
    name="statement-spills.size", default=100 * 1024**2, unit="bytes",
    meaning="statements that write and read less of temporary files in one call are not reported",
)  # fmt: skip
_VARIANTS = Threshold(
    name="statement-variants.entries", default=10, unit="entries",
    meaning="statements with fewer entries are not reported",
)  # fmt: skip


def _recorded(database: Database) -> Sequence[Statement]:
    return database.workload.statements if database.workload is not None else ()


def slow(database: Database) -> Iterator[Answer]:
    """Flag statements whose mean time is long, and which are not negligible together."""
    least, least_share = database.value(_SLOW), database.value(_SLOW_SHARE)
    shares = database.workload.shares if database.workload is not None else dict[Statement, float]()
    for each in _recorded(database):
        name = _named(each)
        if each.total_ms is None or not each.calls:
            yield Skipped(object=name, reason="its time was not measured")
            continue
        mean, share = each.total_ms / each.calls, shares.get(each, 0.0)
        if mean <= least or share < least_share:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"{mean:,.0f} ms on average over {plural(round(each.calls), 'call')}, "
                f"{percent(share)} of the recorded time",
                evidence=(
                    Fact(name="mean", value=round(mean, 3), unit="ms"),
                    Fact(name="calls", value=round(each.calls)),
                    Fact(name="share_of_time", value=round(share, 6)),
                ),
                rewrite=f"twindex statements {each.id} shows it, and twindex propose what would make it cheaper",
            )


def spills(database: Database) -> Iterator[Answer]:
    """Flag statements that write temporary files, and read them, because work_mem does not suffice."""
    least, snapshot = database.value(_SPILLED), database.catalog.snapshot
    identities = database.workload.identities if database.workload is not None else dict[str, str]()
    by_statement: dict[str, list[StatementCounters]] = {}
    for each in snapshot.statements:
        by_statement.setdefault(identities.get(each.queryid, each.queryid), []).append(each)
    for identity, entries in sorted(by_statement.items()):
        name = f"statement {identity}"
        calls = sum(each.calls for each in entries)
        spilled = sum(each.temp_blocks for each in entries) * snapshot.server.block_size_bytes
        if not calls or spilled / calls < least:
            yield Fine(object=name)
            continue
        yield Flagged(
            object=name,
            message=f"it writes and reads {size(spilled // calls)} of temporary files in each of "
            f"{plural(calls, 'call')}",
            evidence=(
                Fact(name="temporary_bytes_per_call", value=spilled // calls, unit="bytes"),
                Fact(name="calls", value=calls),
            ),
            caveats=("more work_mem is taken by each sort and hash of each session; set it for this statement's role",),
            rewrite="an index in the order of its ORDER BY or GROUP BY avoids a sort; else raise work_mem for its role",
        )


def variants(database: Database) -> Iterator[Answer]:
    """Flag one statement that takes many entries of pg_stat_statements, by IN lists, comments, aliases or users."""
    least = database.value(_VARIANTS)
    entries = Counter(database.workload.identities.values() if database.workload is not None else ())
    for identity, number in sorted(entries.items()):
        if number < least:
            yield Fine(object=f"statement {identity}")
            continue
        yield Flagged(
            object=f"statement {identity}",
            message=f"{number:,} entries of pg_stat_statements are one statement but for IN lists, aliases or users",
            evidence=(Fact(name="entries", value=number),),
            rewrite="use = ANY($1) with an array, and put comments that differ at the end of the text",
        )


def _named(statement: Statement) -> str:
    return f"statement {statement.id}"


RULES = (
    HealthRule(
        code="TX601", name="slow-statement", severity="warning", title="statement takes long on average",
        examine=slow, thresholds=(_SLOW, _SLOW_SHARE),
    ),
    HealthRule(
        code="TX603", name="statement-spills", severity="warning", title="statement writes large temporary files",
        examine=spills, thresholds=(_SPILLED,),
    ),
    HealthRule(
        code="TX609", name="statement-variants", severity="info",
        title="one statement takes many entries of pg_stat_statements", examine=variants, thresholds=(_VARIANTS,),
    ),
)  # fmt: skip
