"""`twindex report`: the index report."""

from pathlib import Path

import click

from analyzer.advise.proposal import Limits
from analyzer.cli.options import (
    database_option,
    emit,
    output_options,
    resolve_snapshot,
    source_argument,
    specs_option,
)
from analyzer.cli.propose import advise
from analyzer.config import load_config
from analyzer.report.advice import report_document
from analyzer.report.output import Format, QueryText
from analyzer.workload.parse import parse_statements


@click.command()
@source_argument
@database_option
@specs_option
@output_options
def command(
    *,
    snapshot: Path | None,
    database: str | None,
    specs: Path | None,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Report the statements by share of time and what would make them cheaper.

    SNAPSHOT is a file of `twindex capture`; without it the database is captured now.
    """
    captured = resolve_snapshot(snapshot, database, quiet=quiet)
    advice = advise(captured, parse_statements(captured), specs or load_config().specs, Limits(), quiet=quiet)
    emit(report_document(advice, captured), outputs, output_format, query_text)
