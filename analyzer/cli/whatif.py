"""`twindex whatif`: try indexes on the twin."""

from collections.abc import Sequence
from pathlib import Path

import click

from analyzer.advise.whatif import Trial, try_indexes
from analyzer.cli.options import (
    Database,
    database_option,
    emit,
    output_options,
    progress,
    read_text,
    resolve_snapshot,
    source_argument,
    twin_options,
)
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.documents.whatif import WhatifDocument
from analyzer.errors import InputError
from analyzer.render.formats import Format
from analyzer.render.query_text import QueryText
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workflows.advice import whatif_document
from analyzer.workload.parse import Statement, UnparsedStatement, Workload, parse_listed, parse_statements


@click.command(short_help="Plan statements with indexes added or dropped.")
@source_argument
@database_option
@click.option(
    "-q", "--queries", metavar="FILE", help="File of SQL statements, or - for stdin  [default: the recorded ones]"
)
@click.option("--create", multiple=True, metavar="DDL", help="CREATE INDEX statement to try; repeatable.")
@click.option("--drop", multiple=True, metavar="NAME", help="Index to plan without, as schema.name; repeatable.")
@twin_options
@output_options(WhatifDocument)
def command(
    *,
    snapshot: Path | None,
    database: Database,
    queries: str | None,
    create: tuple[str, ...],
    drop: tuple[str, ...],
    wanted: PlannerChoice,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Plan statements before and after indexes are added or dropped; indexes are built on the twin only.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now.
    """
    text = None if queries is None else read_text(None if queries == "-" else Path(queries))
    captured = resolve_snapshot(
        snapshot, database, quiet=quiet, statements=text is None, run_user_code=wanted.run_user_code
    )
    recorded = parse_statements(captured) if text is None else Workload(statements=())
    statements = recorded.statements if text is None else parse_listed(text)
    if not statements:
        where = f"{queries} contains" if queries is not None else "pg_stat_statements has recorded"
        raise InputError(f"{where} no statement to plan; give some with -q FILE")
    trials, planner, notes = _try(captured, statements, create, drop, wanted, quiet=quiet)
    document = whatif_document(captured, planner, trials, (*recorded.not_examined, *notes))
    emit(document, outputs, output_format, query_text)


def _try(
    snapshot: Snapshot,
    statements: Sequence[Statement | UnparsedStatement],
    create: tuple[str, ...],
    drop: tuple[str, ...],
    wanted: PlannerChoice,
    *,
    quiet: bool,
) -> tuple[tuple[Trial, ...], str, tuple[NotExamined, ...]]:
    needed = [each.plannable for each in statements if isinstance(each, Statement)] + [*create, *drop]
    with progress(quiet=quiet) as tell, open_twin(snapshot, statements=needed, wanted=wanted, progress=tell) as twin:
        tell("what-if")
        trials = try_indexes(twin, statements, create=create, drop=drop)
        return trials, twin.planner, (*snapshot.not_examined, *twin.not_examined)
