"""Compare what a twin expects of the indexes that came and went with what was measured before and after."""

import math
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.cost import CostModel
from analyzer.advise.limit_cost import cautious_cost
from analyzer.advise.price import shaped_and_priced
from analyzer.advise.timing import expected_ms, learn_times, least_ms
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.verification import Verification, VerifiedStatement, differ
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import APPROXIMATE
from analyzer.postgres.identifiers import with_suffix
from analyzer.twin.twin import Plan, Twin, TwinIndex
from analyzer.workload.bindings import SELECTIVE
from analyzer.workload.parse import Statement, parse_statements
from analyzer.workload.system_statements import tableless

#: Below this an execution's start and end, which no cost counts, are most of it.
_TRIVIAL_MS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A statement in both windows."""

    before: Statement
    #: Mean of one call, in each window.
    mean_ms_before: float
    mean_ms_after: float
    calls_after: float
    stddev_ms_after: float | None
    blocks_read_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the twin of the snapshot before expects of one statement with the indexes that came and went."""

    #: Of one execution.
    cost_before: float
    cost_after: float
    #: Of one execution's time, in which not all changes as the cost does.
    mean_ms_before: float
    mean_ms_after: float | None
    #: New indexes that it expects the statement to use, as `schema.name`.
    uses: tuple[str, ...]
    approximate: bool
    #: Planned without the values of its parameters.
    generic: bool
    #: Its LIMIT hides how many rows the values of its parameters let through.
    limited: bool
    #: Priced as if its LIMIT did not end a scan of a new index early, which the planner hopes.
    cautious: bool
    #: The part of the time that was taken to be fixed.
    fixed_ms: float

    @property
    def ratio(self) -> float | None:
        """Return how many times faster the statement should be."""
        return self.mean_ms_before / self.mean_ms_after if self.mean_ms_after else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deploy:
    """The indexes that came and went, as the twin of the snapshot before can try them."""

    added: tuple[TwinIndex, ...]
    #: Name on the twin, which differs where a definition was replaced under its name, to the name it really has.
    names: Mapping[str, str]
    dropped: tuple[str, ...]
    not_examined: tuple[NotExamined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured beside what was expected."""

    verification: Verification
    #: By the id of the statement; those that can be planned.
    expected: Mapping[str, Expected]
    #: Indexes that the twin could not try.
    not_examined: tuple[NotExamined, ...]


def measure(before: Snapshot, after: Snapshot) -> tuple[Measured, ...]:
    """Pair the statements of both snapshots by their fingerprint; those that read no table are left out.

    When the counters ran on through both, what they held before is taken off.
    """
    recorded = parse_statements(before).statements
    without_table = tableless(recorded, before)
    later = {statement.id: statement for statement in parse_statements(after).statements}
    ran_on = before.statements_reset is not None and before.statements_reset == after.statements_reset
    found: list[Measured] = []
    for statement in recorded:
        again = later.get(statement.id)
        if again is None or statement in without_table or statement.total_ms is None or again.total_ms is None:
            continue
        window = _since(statement, again) if ran_on else again
        if window is not None and window.total_ms is not None and window.calls > 0 and statement.calls > 0:
            found.append(
                Measured(
                    before=statement,
                    mean_ms_before=statement.total_ms / statement.calls,
                    mean_ms_after=window.total_ms / window.calls,
                    calls_after=window.calls,
                    stddev_ms_after=window.stddev_ms,
                    blocks_read_after=window.blocks_read,
                )
            )
    return tuple(found)


def _since(first: Statement, both: Statement) -> Statement | None:
    """Take what a statement's counters held at first off what they hold later; None when it did not run since."""
    calls, total_ms = both.calls - first.calls, (both.total_ms or 0.0) - (first.total_ms or 0.0)
    if calls <= 0 or total_ms < 0:
        return None
    stddev = None
    if first.stddev_ms is not None and both.stddev_ms is not None:
        # The squared deviations of the whole are those of the parts and of the parts' means (Chan, Golub, LeVeque).
        apart = total_ms / calls - (first.total_ms or 0.0) / first.calls
        squares = both.calls * both.stddev_ms**2 - first.calls * first.stddev_ms**2
        squares -= apart**2 * first.calls * calls / both.calls
        stddev = math.sqrt(max(squares, 0.0) / calls)
    known = first.blocks_read is not None and both.blocks_read is not None
    blocks = (both.blocks_read or 0) - (first.blocks_read or 0) if known else None
    return replace(both, calls=calls, total_ms=total_ms, stddev_ms=stddev, blocks_read=blocks)


def compare(measured: Sequence[Measured], before: Snapshot, after: Snapshot, twin: Twin, *, basis: str) -> Comparison:
    """Put what was measured beside what the twin of `before` expects of the indexes that came and went."""
    deploy = _deployed(before, after, twin)
    expected = dict(_expectations(measured, deploy, twin))
    unused = {str(i.definition.qualified_name) for i in after.indexes if i.scans == 0}
    verification = Verification(
        basis=basis,
        statements=tuple(_verified(each, expected.get(each.before.id), unused) for each in measured),
        indexes_added=tuple(str(index.qualified_name) for index in _only_in(after, before)),
        indexes_dropped=tuple(str(index.qualified_name) for index in _only_in(before, after)),
    )
    return Comparison(verification=verification, expected=expected, not_examined=deploy.not_examined)


def _verified(each: Measured, expected: Expected | None, unused: AbstractSet[str]) -> VerifiedStatement:
    ratio = expected.ratio if expected is not None else None
    return VerifiedStatement(
        id=each.before.id,
        queryid=each.before.queryid,
        query=each.before.text,
        calls=round(each.before.calls),
        calls_after=round(each.calls_after),
        mean_ms_before=each.mean_ms_before,
        mean_ms_after=each.mean_ms_after,
        stddev_ms_before=each.before.stddev_ms,
        stddev_ms_after=each.stddev_ms_after,
        predicted_ratio=ratio,
        deviation=None if expected is None else deviation(each, expected, unused),
    )


def deviation(each: Measured, expected: Expected, unused: AbstractSet[str]) -> str | None:
    """Say why the measured ratio is far from the predicted one; None when it is not far.

    `unused` are the indexes, as `schema.name`, that were not scanned after the deploy.
    """
    measured = each.mean_ms_before / each.mean_ms_after if each.mean_ms_after else None
    if measured is None or expected.ratio is None or not differ(measured, expected.ratio):
        return None
    reasons: list[str] = []
    if measured < expected.ratio and (idle := [name for name in expected.uses if name in unused]):
        reasons.append(f"{', '.join(idle)} was expected to be used and has not been scanned")
    if expected.approximate:
        reasons.append("approximate index: its cost is a rough estimate of the rows visited")
    if min(each.mean_ms_before, each.mean_ms_after) < _TRIVIAL_MS and measured < expected.ratio:
        reasons.append("an execution takes less than 0.1 ms, most of it start and end, which costs leave out")
    if each.blocks_read_after == 0 and measured > expected.ratio:
        reasons.append("all pages were in memory, but the costs include reading them")
    if measured > expected.ratio and each.mean_ms_after < expected.fixed_ms:
        reasons.append("an execution takes less than what was taken for the fixed part of every one")
    if expected.generic:
        reasons.append("predicted without the values of its parameters")
    if expected.limited:
        reasons.append(
            "its LIMIT hides how many rows its values let through, so those it was predicted with are a guess"
        )
    if expected.cautious and measured > expected.ratio:
        reasons.append("its LIMIT ended the scan of a new index early, and it was priced as if it did not")
    if not reasons and not expected.uses and expected.cost_before == expected.cost_after:
        reasons.append("no index in its plan was created or dropped, so the load or the cache has changed")
    return "; ".join(reasons) or "unknown reason"


def _only_in(snapshot: Snapshot, other: Snapshot) -> tuple[IndexDef, ...]:
    """Return the valid indexes that the other snapshot lacks, by name and deparse, on tables that both have."""
    tables = {(relation.schema_name, relation.name) for relation in other.relations}
    there = {(index.definition.qualified_name, index.ddl) for index in other.indexes if index.valid}
    found = (
        index.definition
        for index in snapshot.indexes
        if index.valid
        and (index.definition.qualified_name, index.ddl) not in there
        and index.definition.full_table in tables
    )
    return tuple(sorted(found, key=lambda index: index.qualified_name))


def _deployed(before: Snapshot, after: Snapshot, twin: Twin) -> _Deploy:
    taken = {(index.definition.schema, index.definition.name) for index in before.indexes}
    added: list[TwinIndex] = []
    names: dict[str, str] = {}
    gaps: list[NotExamined] = []
    for index in _only_in(after, before):
        name = with_suffix(index.name, "_replaced") if (index.schema, index.name) in taken else index.name
        try:
            added += twin.add([index.renamed(name)])
        except InputError as error:  # the deploy changed the table as well
            gaps.append(NotExamined(what=f"what {index.qualified_name} was expected to gain", reason=str(error)))
        else:
            names[name] = str(index.qualified_name)
    dropped = tuple(str(index.qualified_name) for index in _only_in(before, after))
    return _Deploy(added=tuple(added), names=names, dropped=dropped, not_examined=tuple(gaps))


def _expectations(measured: Sequence[Measured], deploy: _Deploy, twin: Twin) -> Iterator[tuple[str, Expected]]:
    items: list[PricedStatement] = []
    twin.show(())
    for each in measured:
        _, item = shaped_and_priced(twin, each.before)
        if not isinstance(item, NotExamined):
            items.append(item)
    costs = CostModel(twin=twin, statements=items)
    changed = CostModel(twin=twin, statements=items, without=deploy.dropped)
    everything = frozenset(deploy.added)
    names = frozenset[str]().union(*(index.names for index in deploy.added))
    times = learn_times((item.statement, costs.cost(item, frozenset())) for item in items)
    means = {each.before.id: each.mean_ms_before for each in measured}
    for item in items:
        cost_before, cost_after = costs.cost(item, frozenset()), changed.cost(item, everything)
        plan = changed.plan(item, everything)
        used = [index for index in deploy.added if index.index.name in plan.indexes]
        yield (
            item.statement.id,
            Expected(
                cost_before=cost_before,
                cost_after=cost_after,
                mean_ms_before=means[item.statement.id],
                mean_ms_after=expected_ms(item.statement, cost_before, cost_after, times),
                uses=tuple(sorted(deploy.names[index.index.name] for index in used)),
                approximate=any(index.index.method in APPROXIMATE for index in used),
                generic=item.statement.parameters > 0 and item.execution.queries[0].generic,
                limited=_limited(item, plan),
                cautious=cautious_cost(plan, names) > plan.cost,
                fixed_ms=least_ms(item.statement, cost_before, times),
            ),
        )


def _limited(item: PricedStatement, plan: Plan) -> bool:
    if item.shape is None or plan.tree["Node Type"] != "Limit":
        return False
    return any(comparison.use in SELECTIVE for comparison in item.shape.comparisons)
