"""`twindex verify`: predicted against measured after a deploy."""

from pathlib import Path

import click

from analyzer.cli.inputs import progress, resolve_snapshot
from analyzer.cli.options import (
    Database,
    Output,
    Source,
    database_option,
    emit,
    fail_on_option,
    output_options,
    twin_options,
)
from analyzer.documents import snapshot as snapshots
from analyzer.documents.findings import SEVERITIES, Severity
from analyzer.documents.report import Report
from analyzer.twin.server.choose import PlannerChoice
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
@click.pass_context
def command(
    ctx: click.Context,
    *,
    database: Database,
    against: Path,
    choice: PlannerChoice,
    fail_on: Severity,
    output: Output,
) -> None:
    """Compare the predicted gain of a deploy with the execution times measured since."""
    before = snapshots.load(against)
    after = resolve_snapshot(Source(database=database), quiet=output.quiet, run_user_code=choice.run_user_code)
    with progress(quiet=output.quiet) as tell:
        report = verify(before, after, choice=choice, progress=tell)
    emit(report, output)
    if any(SEVERITIES.index(each.severity) <= SEVERITIES.index(fail_on) for each in report.findings):
        ctx.exit(1)
