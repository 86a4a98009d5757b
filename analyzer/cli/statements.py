"""`twindex statements`: list the recorded statements."""

import re
from pathlib import Path

import click

from analyzer.cli.inputs import in_window, load_merged
from analyzer.cli.options import Output, emit, output_options, since_option, weight_option
from analyzer.documents.statements import StatementsDocument
from analyzer.documents.weights import Weight
from analyzer.paths import is_there
from analyzer.workflows.statements import list_statements

#: Of a statement: twindex's own, and a queryid.
_ID = re.compile(r"s[0-9a-f]+|-?[0-9]+")


@click.command(short_help="List the recorded statements, or show some of them.")
@click.argument("snapshot", metavar="SNAPSHOT...", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("more", metavar="[ID]...", nargs=-1)
@since_option
@weight_option
@output_options(StatementsDocument)
def command(*, snapshot: Path, more: tuple[str, ...], since: Path | None, weigh_by: Weight, output: Output) -> None:
    """List the statements of SNAPSHOT by share of time, or show those of some IDs with their whole text.

    An ID is the one in reports, proposals and specs, or a queryid of pg_stat_statements. Workloads of several snapshots
    of one cluster are merged.
    """
    others = [each for each in more if not _ID.fullmatch(each) and is_there(Path(each))]
    merged = load_merged((snapshot, *map(Path, others)))
    ids = [each for each in more if each not in others]
    emit(list_statements(in_window(merged, since), ids, weigh_by=weigh_by), output)
