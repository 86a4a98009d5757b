"""`twindex propose`: indexes that would make the workload cheaper, with their evidence."""

import contextlib
from pathlib import Path

import click

from analyzer.advise.proposal import Advice, Limits, propose
from analyzer.atomic_file import replace_file
from analyzer.cli.options import (
    Database,
    Size,
    check_outputs,
    database_option,
    emit,
    output_options,
    progress,
    resolve_snapshot,
    resolve_workload,
    source_argument,
    specs_directory,
    specs_option,
    twin_options,
    workload_option,
)
from analyzer.console import tell
from analyzer.documents.report import ProposeDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.paths import is_directory, is_there
from analyzer.render.output import Format, QueryText
from analyzer.specs.file import append_proposals, load_specs, set_state
from analyzer.specs.spec_file import json_schema
from analyzer.twin.pool import parallel_twins, usable_cores
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workflows.advice import new_specs, propose_document
from analyzer.workflows.declared import declared
from analyzer.workload.parse import Workload

#: Of fewer, unless they are hard to plan, most are priced before another planner is ready.
_MANY = 300


@click.command()
@source_argument
@database_option
@workload_option
@click.option("--budget", type=Size(), metavar="SIZE", help="Most bytes all proposals may take, such as 2GB.")
@click.option("--max", "most", type=click.IntRange(1), help="Most proposals.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop searching after this long.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Planners that work side by side; what is proposed does not depend on it  [default: one a core for "
    f"{_MANY} statements or more, else 1]",
)
@click.option("--write", "write_specs", is_flag=True, help="Add the proposals to the specs as `state: proposed`.")
@specs_option
@twin_options
@output_options
def command(
    *,
    snapshot: Path | None,
    database: Database,
    workload_file: Path | None,
    budget: int | None,
    most: int | None,
    seconds: float | None,
    jobs: int | None,
    write_specs: bool,
    specs: Path | None,
    wanted: PlannerChoice,
    outputs: tuple[Path, ...],
    output_format: Format | None,
    query_text: QueryText,
    quiet: bool,
) -> None:
    """Propose indexes for what a server recorded, or for the statements of a file.

    SNAPSHOT is a file of `twindex capture`; without it the database is captured now.
    """
    check_outputs(outputs, output_format)
    directory = specs_directory(specs, new=write_specs)
    captured = resolve_snapshot(
        snapshot, database, quiet=quiet, statements=workload_file is None, run_user_code=wanted.run_user_code
    )
    workload = resolve_workload(workload_file, captured)
    limits = Limits(budget_bytes=budget, most=most, seconds=seconds)
    advice = advise(captured, workload, directory, limits, wanted=wanted, jobs=jobs, quiet=quiet)
    document = propose_document(advice, captured)
    if write_specs:
        for path in _write(directory, document, advice):
            if not quiet:
                tell(f"wrote {path}")
    emit(document, outputs, output_format, query_text)


def _write(directory: Path, document: ProposeDocument, advice: Advice) -> tuple[Path, ...]:
    """Add the proposals to the specs; one that was rejected until a day that has passed is proposed where it stands."""
    new = new_specs(document, advice)
    if not advice.proposals:
        return ()
    again = [proposal.again.index.name for proposal in advice.proposals if proposal.again is not None]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        written = append_proposals(directory, new) if new else ()
        schema = directory / "schema.json"
        if not is_there(schema):
            replace_file(schema, json_schema(), mode=None)
    except OSError as error:
        raise InputError(f"{directory} cannot be written ({error.strerror}); give --specs another directory") from None
    return tuple(sorted({*written, *(set_state(directory, again, "proposed") if again else ())}))


def advise(
    snapshot: Snapshot,
    workload: Workload,
    specs: Path,
    limits: Limits,
    *,
    wanted: PlannerChoice,
    jobs: int | None = None,
    quiet: bool,
) -> Advice:
    """Build a twin and propose on it what the specs do not declare yet."""
    known = declared(load_specs(specs), snapshot) if is_directory(specs) else ()
    needed = [*(each.plannable for each in workload.statements), *(each.index.ddl() for each in known)]
    workers = jobs or (usable_cores() if len(workload.statements) >= _MANY else 1)
    with contextlib.ExitStack() as stack:
        tell = stack.enter_context(progress(quiet=quiet))
        twin = stack.enter_context(open_twin(snapshot, statements=needed, wanted=wanted, progress=tell))
        pool = stack.enter_context(parallel_twins(twin, workers)) if workers > 1 else None
        return propose(twin, workload, declared=known, limits=limits, pool=pool, progress=tell)
