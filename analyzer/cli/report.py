"""`twindex report`: the index report."""

from pathlib import Path

import click

from analyzer.advise.limits import Limits
from analyzer.cli.inputs import (
    add_given_plans,
    add_logs,
    check_examined,
    in_window,
    progress,
    reading_specs,
    resolve_snapshot,
    specs_directory,
)
from analyzer.cli.options import (
    Logs,
    Output,
    Source,
    emit,
    log_options,
    more_plans_option,
    output_options,
    since_option,
    specs_option,
    statements_options,
    twin_options,
    weight_option,
)
from analyzer.config import load_config
from analyzer.documents.report import Report
from analyzer.documents.weights import Weight
from analyzer.twin.build import starting_early
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.report import report
from analyzer.workload.plan_files import read_plans


@click.command(short_help="Write the index report (HTML, Markdown, text, JSON).")
@statements_options
@more_plans_option
@log_options
@since_option
@weight_option
@specs_option
@twin_options
@output_options(Report)
def command(
    *,
    source: Source,
    plans: tuple[Path, ...],
    logs: Logs,
    since: Path | None,
    weigh_by: Weight,
    specs: Path | None,
    choice: PlannerChoice,
    output: Output,
) -> None:
    """Report the most expensive statements and the indexes that would make them cheaper.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The workloads of
    several, of one cluster, are merged.
    """
    directory = specs_directory(specs)
    read = read_plans(plans) if plans else None
    with starting_early(choice) as started:
        with reading_specs(directory) as declared:
            snapshot = resolve_snapshot(
                source, quiet=output.quiet, run_user_code=choice.run_user_code, early=started.early
            )
            snapshot = in_window(snapshot, since)
            snapshot = add_given_plans(add_logs(snapshot, logs, quiet=output.quiet), read)
        with progress(quiet=output.quiet) as tell:
            config = load_config()
            document = report(
                snapshot,
                declared.result(),
                limits=Limits(rules=config.rules),
                config=config,
                weigh_by=weigh_by,
                choice=started,
                progress=tell,
            )
    emit(document, output)
    check_examined(document)
