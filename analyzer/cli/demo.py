"""`twindex demo`: the whole story on the embedded server."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TimeElapsedColumn

from analyzer.cli.options import quiet_option
from analyzer.config import load_config
from analyzer.console import put, tell
from analyzer.demo import story
from analyzer.demo.rows import FAST, FULL
from analyzer.demo.story import Outcome
from analyzer.terminal import Description, is_terminal, of_stderr


@click.command(short_help="Run the whole workflow on an embedded server.")
@click.option("--fast", is_flag=True, help="Load less data: about a third of the time.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for the project, snapshots, report and database  [default: .twindex/demo]",
)
@quiet_option
def command(*, fast: bool, directory: Path | None, quiet: bool) -> None:
    """Run the whole workflow on an embedded server.

    Migrate a reference schema, load data, run a workload, capture, propose, revise, upgrade, run the workload again,
    verify and report.
    """
    target = directory or load_config().development / "demo"
    started = time.monotonic()
    with _stages(quiet=quiet) as progress:
        outcome = story.tell(target.absolute(), scale=FAST if fast else FULL, progress=progress)
    put(_summary(outcome, time.monotonic() - started))


@contextmanager
def _stages(*, quiet: bool) -> Generator[Callable[[str, float | None], None]]:
    """Show a progress bar per stage on stderr, or one line per stage if stderr is not a terminal."""
    if not is_terminal(sys.stderr):
        seen: set[str] = set()

        def say(stage: str, _: float | None) -> None:
            if stage not in seen and not quiet:
                seen.add(stage)
                tell(f"{stage} …")

        yield say
        return
    columns = (Description("{task.description:>24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=of_stderr(quiet=quiet)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=None if done is None else 1)
            if done is not None:
                bars.update(tasks[stage], total=1, completed=done)

        yield show


def _summary(outcome: Outcome, seconds: float) -> str:
    report = outcome.report
    lines: list[str] = []
    plain = [each for each in outcome.loaded if each.table not in ("document", "classification_cache")]
    rows, spent = sum(each.rows for each in plain), sum(each.seconds for each in plain)
    lines.append(f"loaded   {rows:,} rows without embeddings at {rows / max(spent, 1e-9):,.0f} rows/s")
    verification = report.verification
    if verification is not None and verification.speed_up is not None:
        lines.append(
            f"workload {verification.total_ms_before:,.0f} ms before, {verification.total_ms_after:,.0f} ms after: "
            f"{verification.speed_up:.1f} times faster (execution time, pg_stat_statements)"
        )
        by_id = {statement.id: statement for statement in verification.statements}
        for each in verification.regressions:
            slower = by_id[each]
            query = " ".join(slower.query.split())[:80]
            lines.append(f"slower   {query}: {slower.mean_ms_before:.2f} → {slower.mean_ms_after:.2f} ms")
        touched = {each.id for proposal in report.proposals for each in proposal.statements} & by_id.keys()
        near = sum(not by_id[each].deviates for each in touched)
        lines.append(f"gain     predicted within a factor of two for {near} of {len(touched)} statements")
    lines += [
        f"left out {name}: {f'found again as {found}' if found else 'NOT found'}" for name, found in outcome.found
    ]
    lines.append(f"report   {outcome.files[0]}")
    lines.append(f"done in {seconds:.0f} s")
    return "\n".join(lines)
