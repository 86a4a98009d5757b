"""`twindex whatif`: try indexes on the twin."""

from pathlib import Path

import click

from analyzer.cli.inputs import check_planned, progress, read_text, resolve_snapshot
from analyzer.cli.options import Output, Source, emit, output_options, plans_option, statements_options, twin_options
from analyzer.documents.whatif import WhatifDocument
from analyzer.errors import InputError
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.whatif import whatif
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.parse import Workload, parse_listed
from analyzer.workload.plan_files import read_plans
from analyzer.workload.plan_statements import match_plans
from analyzer.workload.search_paths import SearchPaths


@click.command(short_help="Plan statements with indexes added or dropped.")
@statements_options
@click.option(
    "-q", "--queries", metavar="FILE", help="File of SQL statements, or - for stdin  [default: the recorded ones]"
)
@plans_option
@click.option("--create", multiple=True, metavar="DDL", help="CREATE INDEX statement to try; repeatable.")
@click.option("--drop", multiple=True, metavar="NAME", help="Index to plan without, as schema.name; repeatable.")
@twin_options
@output_options(WhatifDocument)
def command(
    *,
    source: Source,
    queries: str | None,
    plans: tuple[Path, ...],
    create: tuple[str, ...],
    drop: tuple[str, ...],
    choice: PlannerChoice,
    output: Output,
) -> None:
    """Plan statements before and after indexes are added or dropped; indexes are built on the twin only.

    With --plans, and without --create and --drop, the indexes that `twindex propose` would propose are tried.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The workloads of
    several, of one cluster, are merged.
    """
    if plans and queries is not None:
        raise InputError("--plans and -q cannot be used together; specify one source of statements")
    text = None if queries is None else read_text(None if queries == "-" else Path(queries))
    read = read_plans(plans) if plans else None
    recording = read.asks_recorded if read else text is None
    snapshot = resolve_snapshot(source, quiet=output.quiet, statements=recording, run_user_code=choice.run_user_code)
    planned = match_plans(read, snapshot) if read else None
    recorded = planned.workload if planned else recorded_workload(snapshot) if text is None else Workload(statements=())
    statements = recorded.statements if text is None else parse_listed(text, SearchPaths(snapshot))
    if not statements and planned is None:
        where = f"{queries} contains" if queries is not None else "pg_stat_statements has recorded"
        raise InputError(f"{where} no statement to plan; give some with -q FILE")
    with progress(quiet=output.quiet) as tell:
        document = whatif(
            snapshot,
            statements,
            create=create,
            drop=drop,
            choice=choice,
            plans=planned.plans if planned else (),
            not_examined=recorded.not_examined,
            progress=tell,
        )
    emit(document, output)
    check_planned(document)
