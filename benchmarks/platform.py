"""`make bench-platform`: load the reference platform, work with it, and compare with what it must reach."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from analyzer import db
from analyzer.config import load_config
from analyzer.demo import data, workload
from analyzer.demo.rows import FAST, FULL, Scale
from analyzer.demo.workload import Timing
from analyzer.errors import TwindexError
from analyzer.twin.server import cluster
from benchmarks.platform_indexes import build_indexes, drop_indexes, migrate
from benchmarks.platform_page import render_page
from benchmarks.platform_plans import dump_plans, read_plans
from benchmarks.platform_rates import measure_rates
from benchmarks.platform_recall import measure_recall
from benchmarks.platform_targets import Measured, judge
from benchmarks.setting import read_setting

_DATABASE = "platform"
_SEED = 1
#: Statements of each client in the runs with and without indexes; every statement comes up.
_COMPARED = {FULL: 500, FAST: 120}
#: How long the run lasts that the percentiles are of.
_SECONDS = {FULL: 20.0, FAST: 3.0}
#: This part of the compared statements warms the buffers.
_WARM_UP = 4
#: A server as it is run on solid-state disks, durable; nothing vacuums between the runs but the benchmark itself.
_SERVER = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "512MB",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "track_io_timing": "on",
}

Say = Callable[[str], None]


@click.command()
@click.option("--fast", is_flag=True, help="Less data: half a minute instead of five.")
@click.option("--clients", type=click.IntRange(1, 64), default=4, show_default=True, help="Clients at once.")
@click.option("--count", type=click.IntRange(min=1), help="Statements of each client in the run for percentiles.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Its length instead  [default: 20]")
@click.option(
    "--plans",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write every statement's plan as JSON  [default: .twindex/platform-plans.json]",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the page here instead of stdout."
)
def command(
    *, fast: bool, clients: int, count: int | None, seconds: float | None, plans: Path | None, output: Path | None
) -> None:
    """Measure the reference platform on a server of its own; print its targets, and whether they are met."""
    if count is not None and seconds is not None:
        raise click.UsageError("give either --count or --seconds")
    scale = FAST if fast else FULL
    if count is None and seconds is None:
        seconds = _SECONDS[scale]
    started = time.monotonic()

    def say(stage: str) -> None:
        click.echo(f"{time.monotonic() - started:5.0f} s  {stage}", err=True)

    try:
        measured = measure(scale=scale, clients=clients, count=count, seconds=seconds, say=say)
        dump_plans(measured.plans, plans or load_config().development / "platform-plans.json")
    except TwindexError as error:
        raise click.ClickException(str(error)) from None
    page = render_page(measured, judge(measured))
    if output is None:
        click.echo(page, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    say("done")


def measure(*, scale: Scale, clients: int, count: int | None, seconds: float | None, say: Say) -> Measured:
    """Run the whole benchmark; `count` or `seconds` bounds the run that the percentiles are of."""
    with cluster.temporary(settings=_SERVER) as server:
        server.ensure_database(_DATABASE)
        url = server.url(_DATABASE)
        say("migrate")
        migrate(url)
        with db.connect(url) as connection:
            setting = read_setting(connection, _SERVER)
        loaded = _load(url, scale, say)
        say("drop the indexes")
        drop_indexes(url)
        bare = _compare(url, scale, clients, say, "workload with keys only")
        say("build the indexes")
        builds = build_indexes(url)
        indexed = _compare(url, scale, clients, say, "the same workload with indexes")
        say("more of it, for percentiles")
        began = time.perf_counter()
        # Another seed: what the first one's clients made has been deleted, or is still there.
        timed = workload.run(url, scale=scale, seed=_SEED + 1, count=count, seconds=seconds, clients=clients)
        timed_seconds = time.perf_counter() - began
        say("plans")
        plans = read_plans(url, scale=scale, seed=_SEED)
        say("recall")
        recalls = measure_recall(url, seed=_SEED)
        say("batches")
        rates = measure_rates(url, scale=scale, seed=_SEED)
    return Measured(
        setting=setting,
        loaded=loaded,
        builds=builds,
        bare=bare,
        indexed=indexed,
        timed=timed,
        timed_seconds=timed_seconds,
        clients=clients,
        plans=plans,
        recalls=recalls,
        rates=rates,
    )


def _load(url: str, scale: Scale, say: Say) -> tuple[data.Loaded, ...]:
    """Fill the tables, indexes in place."""

    def note(table: str, done: int, total: int) -> None:
        if done == total:
            say(f"loaded {total:,} rows of {table}")

    with db.connect(url) as connection:
        return data.load(connection, scale=scale, seed=_SEED, progress=note)


def _compare(url: str, scale: Scale, clients: int, say: Say, stage: str) -> tuple[Timing, ...]:
    """Run the statements that are the same each time, from a database that is vacuumed, analysed and warm."""
    say(stage)
    count = _COMPARED[scale]
    workload.run(url, scale=scale, seed=_SEED, count=count // _WARM_UP, clients=clients)
    with db.connect(url, autocommit=True) as connection:
        data.settle(connection)
    return workload.run(url, scale=scale, seed=_SEED, count=count, clients=clients)


if __name__ == "__main__":
    command()
