"""`twindex report`: the index report."""

from pathlib import Path

import click

from analyzer.advise.proposal import Limits
from analyzer.cli.options import (
    Database,
    database_option,
    emit,
    output_options,
    resolve_snapshot,
    source_argument,
    specs_directory,
    specs_option,
    twin_options,
)
from analyzer.cli.propose import advise
from analyzer.documents.report import Report
from analyzer.render.formats import Format
from analyzer.render.query_text import QueryText
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.advice import report_document
from analyzer.workload.parse import parse_statements


@click.command(short_help="Write the index report (HTML, Markdown, text, JSON).")
@source_argument
@database_option
@specs_option
@twin_options
@output_options(Report)
def command(
    *,
    snapshot: Path | None,
    database: Database,
    specs: Path | None,
    wanted: PlannerChoice,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Report the most expensive statements and the indexes that would make them cheaper.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now.
    """
    directory = specs_directory(specs)
    captured = resolve_snapshot(snapshot, database, quiet=quiet, run_user_code=wanted.run_user_code)
    advice = advise(captured, parse_statements(captured), directory, Limits(), wanted=wanted, quiet=quiet)
    emit(report_document(advice, captured), outputs, output_format, query_text)
