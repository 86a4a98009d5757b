"""`twindex verify`: predicted against measured after a deploy."""

from pathlib import Path

import click

from analyzer.cli.options import (
    Database,
    database_option,
    emit,
    fail_on_option,
    output_options,
    progress,
    resolve_snapshot,
    twin_options,
)
from analyzer.documents import snapshot as snapshots
from analyzer.documents.findings import Severity
from analyzer.documents.report import Report
from analyzer.render.formats import Format
from analyzer.render.query_text import QueryText
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workflows.verify import verify


@click.command(short_help="Compare predicted with measured times after a deploy.")
@database_option
@click.option(
    "--against",
    required=True,
    metavar="SNAPSHOT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Snapshot captured before the deploy.",
)
@twin_options
@fail_on_option
@output_options(Report)
def command(
    *,
    database: Database,
    against: Path,
    wanted: PlannerChoice,
    fail_on: Severity,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Compare the predicted gain of a deploy with the execution times measured since."""
    before = snapshots.load(against)
    after = resolve_snapshot(None, database, quiet=quiet, run_user_code=wanted.run_user_code)
    with progress(quiet=quiet) as tell, open_twin(before, wanted=wanted, progress=tell) as twin:
        tell("verify")
        report = verify(before, after, twin)
    emit(report, outputs, output_format, query_text)
    order = ("info", "warning", "error")
    if any(order.index(finding.severity) >= order.index(fail_on) for finding in report.findings):
        click.get_current_context().exit(1)
