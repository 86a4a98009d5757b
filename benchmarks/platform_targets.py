"""What the platform must reach, and whether it does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from analyzer.demo.data import Loaded
from analyzer.demo.statements_pipeline import STATEMENTS as PIPELINE
from analyzer.demo.workload import Timing
from analyzer.render import units
from benchmarks.platform_indexes import Builds
from benchmarks.platform_plans import Plan
from benchmarks.platform_rates import Rate, Rates
from benchmarks.platform_recall import Recall
from benchmarks.setting import Setting
from benchmarks.targets import Target

#: Tables most of whose rows, or a good part, carry an embedding of six kilobytes.
EMBEDDED = frozenset({"document", "classification_cache"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that a run of the benchmark found."""

    setting: Setting
    #: Tables were filled with all indexes in place.
    loaded: tuple[Loaded, ...]
    builds: Builds
    #: The same statements with the same values: with keys only, and with all indexes.
    bare: tuple[Timing, ...]
    indexed: tuple[Timing, ...]
    #: What the percentiles are of: more statements, with all indexes.
    timed: tuple[Timing, ...]
    timed_seconds: float
    clients: int
    plans: tuple[Plan, ...]
    recalls: tuple[Recall, ...]
    rates: Rates


def judge(measured: Measured) -> tuple[Target, ...]:
    """Compare what was measured with what was asked for; what was not measured is not met."""
    return (
        *_speeds(measured),
        *_pipeline(measured),
        *_index_use(measured),
        *_latencies(measured),
        *(_recall(recall) for recall in measured.recalls if recall.search.is_asked),
        *_gains(measured),
    )


def plain(loaded: Iterable[Loaded]) -> tuple[Loaded, ...]:
    """Leave out the tables that are full of embeddings."""
    return tuple(each for each in loaded if each.table not in EMBEDDED)


def total_ms(timings: Iterable[Timing], names: frozenset[str] | None = None) -> float:
    """Add up the time of all statements, or of some."""
    return sum(timing.total_ms for timing in timings if names is None or timing.name in names)


def joins(plans: Iterable[Plan]) -> frozenset[str]:
    """Name the read statements that join."""
    return frozenset(plan.name for plan in plans if plan.joins and plan.kind == "read")


def gains(bare: Sequence[Timing], indexed: Sequence[Timing]) -> dict[str, float]:
    """Return for each statement which share of its median time it became shorter by; below 0 where it became longer."""
    before = {timing.name: timing.median_ms for timing in bare}
    return {each.name: 1 - each.median_ms / before[each.name] for each in indexed if each.name in before}


def _speeds(measured: Measured) -> tuple[Target, ...]:
    filled = plain(measured.loaded)
    rate = sum(each.rows for each in filled) / max(sum(each.seconds for each in filled), 1e-9)
    slowest = min(filled, key=lambda each: each.rows_per_second)
    return (
        Target(
            name="load with all indexes in place (COPY, tables without embeddings)",
            wanted="≥ 10,000 rows/s",
            measured=f"{rate:,.0f} rows/s; slowest `{slowest.table}` {slowest.rows_per_second:,.0f}",
            met=slowest.rows_per_second >= 10_000,
        ),
        _rate("batch insert", measured.rates.inserts, 5_000),
        _rate("batch update", measured.rates.updates, 3_000),
        _rate("training fetch (cursor on the server)", measured.rates.fetches, 10_000),
    )


def _rate(name: str, rates: Sequence[Rate], wanted: int) -> Target:
    slowest, fastest = (choose(rates, key=lambda rate: rate.rows_per_second) for choose in (min, max))
    return Target(
        name=name,
        wanted=f"≥ {wanted:,} rows/s",
        measured=f"{slowest.rows_per_second:,.0f} to {fastest.rows_per_second:,.0f} rows/s",
        met=slowest.rows_per_second >= wanted,
    )


def _pipeline(measured: Measured) -> tuple[Target, ...]:
    agents = {spec.name for spec in PIPELINE}
    joining = {plan.name for plan in measured.plans if plan.joins}
    return (
        _slowest("pipeline: direct queries, p95 of the slowest", measured.timed, agents - joining, 50),
        _slowest("pipeline: joins, p95 of the slowest", measured.timed, agents & joining, 200),
    )


def _latencies(measured: Measured) -> tuple[Target, ...]:
    reads = {plan.name for plan in measured.plans if plan.kind == "read"}
    by_distance = {plan.name for plan in measured.plans if plan.by_distance}
    return (
        _slowest("single read statement, p95 of the slowest", measured.timed, reads - by_distance, 100),
        _slowest("similarity search, p95 of the slowest", measured.timed, by_distance, 300),
    )


def _slowest(name: str, timings: Iterable[Timing], names: set[str], below_ms: int) -> Target:
    worst = max((each for each in timings if each.name in names), key=lambda each: each.p95_ms, default=None)
    return Target(
        name=name,
        wanted=f"< {below_ms} ms",
        measured=f"{worst.p95_ms:,.1f} ms (`{worst.name}`)" if worst else "not measured",
        met=worst is not None and worst.p95_ms < below_ms,
    )


def _index_use(measured: Measured) -> tuple[Target, ...]:
    calls = {timing.name: timing.calls for timing in measured.timed}
    reads = [plan for plan in measured.plans if plan.kind == "read"]

    def target(unit: str, weigh: Callable[[Plan], int]) -> Target:
        used, every = sum(weigh(plan) for plan in reads if plan.uses_index), sum(weigh(plan) for plan in reads)
        return Target(
            name=f"reads that use an index, by {unit}",
            wanted="≥ 95 %",
            measured=f"{units.share(used / every)} ({used:,} of {every:,})" if every else "not measured",
            met=used >= 0.95 * every > 0,
        )

    return target("statement", lambda _plan: 1), target("call", lambda plan: calls.get(plan.name, 0))


def _recall(recall: Recall) -> Target:
    where = "of one model, " if recall.search.filtered else ""
    return Target(
        name=f"recall@10 of `{recall.search.table}`, {where}as shipped",
        wanted="≥ 0.9",
        measured=f"{recall.share:.3f}" if recall.index else "1.000, but without an index",
        met=recall.share >= 0.9 and recall.index is not None,
    )


def _gains(measured: Measured) -> tuple[Target, ...]:
    names = joins(measured.plans)
    each = [gain for name, gain in gains(measured.bare, measured.indexed).items() if name in names]
    shorter = 1 - total_ms(measured.indexed, names) / max(total_ms(measured.bare, names), 1e-9)
    times = total_ms(measured.bare) / max(total_ms(measured.indexed), 1e-9)
    halved = sum(gain >= 0.5 for gain in each)
    return (
        Target(
            name="joins, against primary keys only",
            wanted="50 to 90 % faster",
            measured=f"{units.share(shorter)} in all; {halved} of {len(each)} by half or more",
            met=shorter >= 0.5,
        ),
        Target(
            name="whole workload, against primary keys only",
            wanted="≥ 5 times faster",
            measured=f"{times:.1f} times",
            met=times >= 5,
        ),
    )
