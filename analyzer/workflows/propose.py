"""Propose indexes for a workload: on a twin of the snapshot, beside what the specs declare."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.advise.declared import Declared
from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice
from analyzer.advise.proposal import propose as ask_advisor
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.executors import Engine
from analyzer.processes import usable_cores
from analyzer.progress import Progress, silent
from analyzer.specs.file import SpecSet, append_proposals, set_state
from analyzer.specs.spec_file import write_schema
from analyzer.twin.pool import parallel_twins, pool_on
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workflows.advice import new_specs, propose_document
from analyzer.workflows.declared import declared, declared_statistics
from analyzer.workflows.plans import describe_plans
from analyzer.workflows.retirements import write_retirements
from analyzer.workflows.statistics import with_statistics
from analyzer.workflows.statistics_document import new_statistics, proposed_again
from analyzer.workload.parse import Statement, Workload
from analyzer.workload.plan_statements import MatchedPlan
from analyzer.workload.shapes import needed_by

#: Of fewer statements, unless they are hard to plan, most are priced before another planner is ready.
MANY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What is proposed, as the advisor says it and as a document."""

    advice: Advice
    document: ProposeDocument


def propose(
    snapshot: Snapshot,
    workload: Workload,
    specs: SpecSet,
    *,
    limits: Limits | None = None,
    choice: PlannerChoice | None = None,
    jobs: int | None = None,
    engine: Engine | None = None,
    plans: Sequence[MatchedPlan] = (),
    progress: Progress = silent,
) -> Proposed:
    """Build a twin and propose on it what the specs do not declare yet.

    `plans` are those that the workload comes from, or that were recorded beside it.

    `jobs` planners run in parallel; None means one, or with many statements one a core. Those of an engine run instead.
    """
    known = declared(specs, snapshot)
    workers = jobs or (usable_cores() if len(workload.statements) >= MANY else 1)
    with contextlib.ExitStack() as stack:
        statements = (*workload.statements, *(statement for plan in plans for statement, _ in plan.statements))
        needed = _needed(statements, known, snapshot)
        twin = stack.enter_context(open_twin(snapshot, statements=needed, wanted=choice, progress=progress))
        if engine is not None:
            pool = stack.enter_context(pool_on(twin, engine))
        else:
            pool = stack.enter_context(parallel_twins(twin, workers)) if workers > 1 else None
        given = describe_plans(twin, plans, progress)
        advice = ask_advisor(twin, workload, declared=known, limits=limits, pool=pool, progress=progress)
        advice = with_statistics(
            twin, advice, declared_statistics(specs, snapshot), plans, limits=limits, progress=progress
        )
    return Proposed(advice=advice, document=propose_document(advice, snapshot, given))


def _needed(statements: Sequence[Statement], known: Sequence[Declared], snapshot: Snapshot) -> list[str]:
    """List what the twin is asked about: the statements, and the declared indexes that do not exist."""
    existing = {(each.definition.schema, each.definition.name) for each in snapshot.indexes}
    pending = (each.index for each in known if (each.index.schema, each.index.name) not in existing)
    return [*needed_by(statements, snapshot), *(index.ddl() for index in pending)]


def write_proposals(directory: Path, advice: Advice) -> tuple[Path, ...]:
    """Add the proposals, and those to retire an index, to the specs as proposed, and return the files written.

    One that was rejected until a day that has passed is proposed where it stands. Raises InputError where the directory
    cannot be written.
    """
    if not advice.proposals and not advice.statistics.proposals and not advice.retirements:
        return ()
    new = (*new_specs(advice), *new_statistics(advice))
    again = [proposal.again.index.name for proposal in advice.proposals if proposal.again is not None]
    again += proposed_again(advice)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        written = append_proposals(directory, new) if new else ()
        retired = write_retirements(directory, advice)
        write_schema(directory)
    except OSError as error:
        raise InputError(f"{directory} cannot be written ({error.strerror}); give --specs another directory") from None
    return tuple(sorted({*written, *retired, *(set_state(directory, again, "proposed") if again else ())}))
