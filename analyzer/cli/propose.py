"""`twindex propose`: indexes that would make the workload cheaper, with their evidence."""

import contextlib
from pathlib import Path

import click

from analyzer.advise.limits import Limits
from analyzer.cli.inputs import (
    add_logs,
    check_examined,
    check_weights,
    in_window,
    progress,
    reading_specs,
    resolve_snapshot,
    resolve_workload,
    specs_directory,
)
from analyzer.cli.options import (
    Logs,
    Output,
    Source,
    emit,
    log_options,
    output_options,
    plans_option,
    since_option,
    specs_option,
    statements_options,
    twin_options,
    weight_option,
    workload_option,
)
from analyzer.cli.quantities import Share, Size
from analyzer.config import load_config
from analyzer.console import tell
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.weights import Weight
from analyzer.errors import InputError
from analyzer.executors import connected, parse_address
from analyzer.twin.build import starting_early
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.plans import recorded_plans
from analyzer.workflows.propose import MANY, propose, write_proposals
from analyzer.workload.plan_files import read_plans
from analyzer.workload.plan_statements import match_plans
from analyzer.workload.statement import weighed


@click.command(short_help="Propose indexes, with evidence.")
@statements_options
@workload_option
@plans_option
@log_options
@since_option
@weight_option
@click.option("--budget", type=Size(), metavar="SIZE", help="Total size limit for all proposals, e.g. 2GB.")
@click.option("--max", "most", type=click.IntRange(1), help="Maximum number of proposals.")
@click.option(
    "--least-saving",
    type=Share(),
    metavar="SHARE",
    help="What each index must save of the workload's cost, e.g. 0.5%  [default: in proportion to its size and number]",
)
@click.option(
    "--max-upkeep",
    type=Share(),
    metavar="SHARE",
    help="Limit for the upkeep of all proposals, of the workload's cost, e.g. 5%.",
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Time limit for the search, in seconds.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Number of parallel planner processes; does not change the result  [default: one per core for "
    f"{MANY} or more statements, else 1]",
)
@click.option(
    "--executor",
    metavar="URL",
    help="Plan with the workers of a cluster, which is trusted with the snapshot: dask://HOST:PORT, "
    "dask+tls://HOST:PORT or parsl://MODULE; does not change the result.",
)
@click.option("--write", "write_specs", is_flag=True, help="Add the proposals to the spec files, as `state: proposed`.")
@specs_option
@twin_options
@output_options(ProposeDocument)
def command(
    *,
    source: Source,
    workload_file: Path | None,
    plans: tuple[Path, ...],
    logs: Logs,
    since: Path | None,
    weigh_by: Weight,
    budget: int | None,
    most: int | None,
    least_saving: float | None,
    max_upkeep: float | None,
    seconds: float | None,
    jobs: int | None,
    executor: str | None,
    write_specs: bool,
    specs: Path | None,
    choice: PlannerChoice,
    output: Output,
) -> None:
    """Propose indexes for the recorded workload of a database, or for the statements of a file.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The workloads of
    several, of one cluster, are merged.
    """
    if plans and workload_file is not None:
        raise InputError("--plans and --workload cannot be used together; specify one source of statements")
    if workload_file is not None and logs.paths:
        raise InputError("--workload and --logs cannot be used together; a log adds to the recorded statements")
    if since is not None and (workload_file is not None or plans):
        raise InputError("--since and --workload or --plans cannot be used together; it is for recorded statements")
    if executor is not None and jobs is not None:
        raise InputError("--executor and --jobs cannot be used together; an executor has workers of its own")
    address = parse_address(executor) if executor is not None else None
    directory = specs_directory(specs, new=write_specs)
    read = read_plans(plans) if plans else None
    recording = read.asks_recorded if read else workload_file is None
    with starting_early(choice) as started, contextlib.ExitStack() as stack:
        engine = None
        if address is not None:
            engine = stack.enter_context(connected(address) if output.quiet else connected(address, tell))
        with reading_specs(directory) as declared:
            snapshot = resolve_snapshot(
                source,
                quiet=output.quiet,
                statements=recording,
                run_user_code=choice.run_user_code,
                early=started.early,
            )
            snapshot = in_window(snapshot, since)
            snapshot = add_logs(snapshot, logs, quiet=output.quiet)
        planned = match_plans(read, snapshot) if read else None
        if planned:
            workload = weighed(planned.workload, weigh_by)
        else:
            workload = resolve_workload(workload_file, snapshot, weigh_by)
        check_weights(workload)
        given = planned.plans if planned else recorded_plans(snapshot) if workload_file is None else ()
        limits = Limits(
            budget_bytes=budget,
            most=most,
            seconds=seconds,
            least_saving=least_saving,
            most_upkeep=max_upkeep,
            rules=load_config().rules,
        )
        with progress(quiet=output.quiet) as shown:
            found = propose(
                snapshot,
                workload,
                declared.result(),
                limits=limits,
                choice=started,
                jobs=jobs,
                engine=engine,
                plans=given,
                progress=shown,
            )
    if write_specs:
        for path in write_proposals(directory, found.advice):
            if not output.quiet:
                tell(f"wrote {path}")
    emit(found.document, output)
    check_examined(found.document)
