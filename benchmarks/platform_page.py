"""The page that a run of the platform's benchmark prints."""

from collections.abc import Iterator, Sequence

from analyzer.demo.data import Loaded
from analyzer.demo.statements import STATEMENTS
from analyzer.demo.workload import Timing, percentile, sender
from analyzer.render import units
from benchmarks.platform_plans import LARGE_ROWS, Plan
from benchmarks.platform_rates import BATCH_ROWS, FETCH_ROWS, Rate
from benchmarks.platform_recall import QUERIES, Recall
from benchmarks.platform_targets import EMBEDDED, Measured, gains, total_ms
from benchmarks.setting import render_setting, render_table
from benchmarks.targets import Target, render_targets

_METHOD = f"""\
- **Data and statements** follow from a seed. Tables are filled by COPY with every index in place; drawing the rows is
  part of the time. Then all indexes but those of primary keys and unique constraints are dropped, the workload runs,
  the indexes are built through Alembic, and the same statements with the same values run again. Before either run the
  database is vacuumed and analysed and the buffers are warm. The unique indexes of the materialised views stay: they
  cannot be refreshed without.
- **Times** are what a client sees: sending, executing, fetching into Python objects, while the other clients work on
  the same processors.
- **A read statement uses an index** when its recorded plan read at least one index and read no table or partition of
  {LARGE_ROWS:,} rows or more but through an index. What reads a whole large table on purpose counts as using none.
- **Joins** are the read statements whose plan joins; EXISTS counts.
- **Recall** is the share of the ten nearest rows, found with index scans off, that the search through the index finds:
  mean of {QUERIES} searches. The platform's services ask for what is near something it knows; something halfway between
  two things is harder to find, and shown for whoever asks for that.
- **Batches** are of {BATCH_ROWS:,} rows, a transaction each; a training job fetches {FETCH_ROWS:,} rows at a time.
- **Plans** are of single executions with their values known, after the runs; blocks are of 8 kB and leave out what
  triggers touch."""


def render_page(measured: Measured, targets: Sequence[Target]) -> str:
    """Write the page as Markdown."""
    sections = (
        "# The platform, measured",
        render_setting(measured.setting),
        render_targets(targets),
        "## Workload",
        _throughput(measured),
        render_table(
            ("statement", "sent with", "calls:", "p50:", "p95:", "p99:", "keys only:", "indexed:", "gain:"),
            _statements(measured),
        ),
        "## Plans",
        render_table(
            ("statement", "ms:", "took the most", "share:", "blocks:", "read:", "index"),
            (_plan(plan) for plan in measured.plans),
        ),
        "## Load",
        render_table(("table", "rows:", "seconds:", "rows/s:"), (_load(each) for each in measured.loaded)),
        "## Batches",
        render_table(("what", "rows:", "seconds:", "rows/s:"), _batches(measured)),
        "## Recall",
        render_table(
            ("search", "index", "recall@10:", "worst:"), (_recalled(recall) for recall in measured.recalls)
        ),
        "## How it is measured",
        _METHOD,
    )  # fmt: skip
    return "\n\n".join(sections) + "\n"


def _throughput(measured: Measured) -> str:
    taken = sorted(ms for timing in measured.timed for ms in timing.taken_ms)
    p50, p95, p99 = (percentile(taken, share) for share in (0.5, 0.95, 0.99))
    bare, indexed = measured.bare, measured.indexed
    return f"""\
{measured.clients} clients at once sent {len(taken):,} statements in {measured.timed_seconds:.1f} s, \
{len(taken) / measured.timed_seconds:,.0f} a second; p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms.
Other {sum(each.calls for each in bare):,} statements took them {units.duration(total_ms(bare))} with keys only and \
{units.duration(total_ms(indexed))} with {measured.builds.indexes} more indexes, whose builds took \
{measured.builds.seconds:.0f} s.
Below, in milliseconds: percentiles of the former; medians of the latter, without those indexes and with."""


def _statements(measured: Measured) -> Iterator[tuple[str, ...]]:
    timed, bare, indexed = (
        {timing.name: timing for timing in timings} for timings in (measured.timed, measured.bare, measured.indexed)
    )
    gained = gains(measured.bare, measured.indexed)
    for spec in STATEMENTS:
        name = spec.name
        yield (
            f"`{name}`",
            sender(spec),
            *_percentiles(timed.get(name)),
            *(f"{found.median_ms:.2f}" if found else "" for found in (bare.get(name), indexed.get(name))),
            f"{100 * gained[name]:.0f} %" if name in gained else "",
        )


def _percentiles(timing: Timing | None) -> tuple[str, ...]:
    if timing is None:
        return "0", "", "", ""
    return (f"{timing.calls:,}", *(f"{ms:.1f}" for ms in (timing.median_ms, timing.p95_ms, timing.p99_ms)))


def _plan(plan: Plan) -> tuple[str, ...]:
    label, share = plan.dominant
    used = "yes" if plan.uses_index else f"scans {', '.join(plan.scanned)}" if plan.scanned else "none"
    return (
        *(f"`{plan.name}`", f"{plan.execution_ms:.2f}", label, units.share(share)),
        *(f"{plan.blocks:,}", f"{plan.blocks_read:,}", used if plan.kind == "read" else ""),
    )


def _load(loaded: Loaded) -> tuple[str, ...]:
    table = f"`{loaded.table}`" + (" (embeddings)" if loaded.table in EMBEDDED else "")
    return table, f"{loaded.rows:,}", f"{loaded.seconds:.1f}", f"{loaded.rows_per_second:,.0f}"


def _batches(measured: Measured) -> Iterator[tuple[str, ...]]:
    rates = measured.rates
    for kind, group in (("insert", rates.inserts), ("update", rates.updates), ("fetch", rates.fetches)):
        yield from (_batch(kind, rate) for rate in group)


def _batch(kind: str, rate: Rate) -> tuple[str, ...]:
    return f"{kind}: {rate.what}", f"{rate.rows:,}", f"{rate.seconds:.2f}", f"{rate.rows_per_second:,.0f}"


def _recalled(recall: Recall) -> tuple[str, ...]:
    search = recall.search
    asked = "between two things" if search.between else "near a thing"
    return (
        f"`{search.table}`{' of one model' if search.filtered else ''}, {asked}",
        recall.index or "none",
        *(f"{recall.share:.3f}", f"{recall.worst:.1f}"),
    )
