"""`twindex statements`: list the recorded statements."""

from pathlib import Path

import click

from analyzer.cli.inputs import in_window
from analyzer.cli.options import Output, emit, output_options, since_option, weight_option
from analyzer.documents import snapshot as snapshots
from analyzer.documents.statements import StatementsDocument
from analyzer.documents.weights import Weight
from analyzer.workflows.statements import list_statements


@click.command(short_help="List the recorded statements, or show some of them.")
@click.argument("snapshot", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("ids", metavar="[ID]...", nargs=-1)
@since_option
@weight_option
@output_options(StatementsDocument)
def command(*, snapshot: Path, ids: tuple[str, ...], since: Path | None, weigh_by: Weight, output: Output) -> None:
    """List the statements of SNAPSHOT by share of time, or show those of some IDs with their whole text.

    An ID is the one in reports, proposals and specs, or a queryid of pg_stat_statements.
    """
    emit(list_statements(in_window(snapshots.load(snapshot), since), ids, weigh_by=weigh_by), output)
