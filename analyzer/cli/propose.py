"""`twindex propose`: indexes that would make the workload cheaper, with their evidence."""

from pathlib import Path

import click

from analyzer.advise.proposal import Advice, Limits, propose
from analyzer.capture.snapshot import Snapshot
from analyzer.cli.options import (
    Size,
    database_option,
    emit,
    output_options,
    progress,
    resolve_snapshot,
    resolve_workload,
    source_argument,
    specs_option,
    workload_option,
)
from analyzer.config import load_config
from analyzer.report.advice import new_specs, propose_document
from analyzer.report.output import Format, QueryText
from analyzer.specs.declared import declared
from analyzer.specs.files import append_proposals, load_specs
from analyzer.twin.planner import open_twin
from analyzer.workload.parse import Workload


@click.command()
@source_argument
@database_option
@workload_option
@click.option("--budget", type=Size(), metavar="SIZE", help="Most bytes all proposals may take, such as 2GB.")
@click.option("--max", "most", type=click.IntRange(1), help="Most proposals.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop searching after this long.")
@click.option("--write", "write_specs", is_flag=True, help="Add the proposals to the specs as `state: proposed`.")
@specs_option
@output_options
def command(
    *,
    snapshot: Path | None,
    database: str | None,
    workload_file: Path | None,
    budget: int | None,
    most: int | None,
    seconds: float | None,
    write_specs: bool,
    specs: Path | None,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Propose indexes for what a server recorded, or for the statements of a file.

    SNAPSHOT is a file of `twindex capture`; without it the database is captured now.
    """
    directory = specs or load_config().specs
    captured = resolve_snapshot(snapshot, database, quiet=quiet, statements=workload_file is None)
    workload = resolve_workload(workload_file, captured)
    limits = Limits(budget_bytes=budget, most=most, seconds=seconds)
    advice = advise(captured, workload, directory, limits, quiet=quiet)
    document = propose_document(advice, captured)
    if write_specs:
        for path in append_proposals(directory, new_specs(document, advice)):
            click.echo(f"wrote {path}", err=True)
    emit(document, outputs, output_format, query_text)


def advise(snapshot: Snapshot, workload: Workload, specs: Path, limits: Limits, *, quiet: bool) -> Advice:
    """Build a twin and propose on it what the specs do not declare yet."""
    known = declared(load_specs(specs), snapshot) if specs.is_dir() else ()
    with progress(quiet=quiet) as tell, open_twin(snapshot, progress=tell) as twin:
        return propose(twin, workload, declared=known, limits=limits, progress=tell)
