"""The sets of indexes to be compared: what twindex proposes, and what the known algorithms choose, on twins."""

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.processes import usable_cores
from analyzer.render import units
from analyzer.twin.pool import parallel_twins
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import Workload, parse_file
from benchmarks.advisor_suites import Query
from benchmarks.baselines.autoadmin import autoadmin
from benchmarks.baselines.db2advis import db2advis
from benchmarks.baselines.extend import extend
from benchmarks.baselines.problem import Found, Problem, candidates
from benchmarks.twin_live import TRUSTED

TWINDEX = "twindex"
#: As the queries are, or as the server records them.
Input = Literal["literal", "normalised"]
#: So little that every index is worth proposing.
_UNLIMITED = Limits(least_saving=1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A set of indexes, by whom it was chosen and what the twin says of it."""

    by: str
    input: Input = "literal"
    #: None without a budget.
    budget_bytes: int | None
    #: Chosen as if every saving were worth an index.
    is_unlimited: bool = False
    indexes: tuple[IndexDef, ...]
    #: Cost on the twin, as a share of that without any of them.
    predicted: float
    #: Of the search, the building of the twin aside.
    seconds: float
    #: What the advisor says of the best set of its candidates; None for other algorithms.
    gap: float | None = None
    #: Names of the queries that the advisor says become more expensive, or names in a risk or caveat.
    announced: frozenset[str] = frozenset()
    #: The search did not end by the clock.
    complete: bool = True

    @property
    def limit(self) -> str:
        """Say what the set was to keep to."""
        if self.is_unlimited:
            return "unlimited"
        return "none" if self.budget_bytes is None else units.size(self.budget_bytes)


def workload_of(queries: Sequence[Query]) -> Workload:
    """Return the queries as a workload, each with weight 1."""
    workload = parse_file(";\n".join(query.text for query in queries))
    assert not workload.not_examined  # noqa: S101 - every query is priced
    return workload


def proposed(
    snapshot: Snapshot,
    workload: Workload,
    queries: Sequence[Query],
    *,
    budget_bytes: int | None = None,
    is_unlimited: bool = False,
    of: Input = "literal",
) -> Chosen:
    """Return what twindex proposes on a twin of its own, with a worker for each core."""
    limits = _UNLIMITED if is_unlimited else Limits(budget_bytes=budget_bytes)
    with open_twin(snapshot, wanted=TRUSTED) as twin, parallel_twins(twin, usable_cores()) as pool:
        began = time.perf_counter()
        advice = propose(twin, workload, limits=limits, pool=pool)
        seconds = time.perf_counter() - began
    found = advice.proposals
    return Chosen(
        by=TWINDEX,
        input=of,
        budget_bytes=budget_bytes,
        is_unlimited=is_unlimited,
        indexes=tuple(each.built.index for each in found),
        predicted=found[-1].cost_after / found[0].cost_before if found else 1.0,
        seconds=seconds,
        gap=advice.gap,
        announced=announced(advice, queries),
    )


def announced(advice: Advice, queries: Sequence[Query]) -> frozenset[str]:
    """Return the queries that become more expensive with a proposal, or of which it names a risk or caveat."""
    ids: set[str] = set()
    texts: list[str] = []
    for proposal in advice.proposals:
        texts += proposal.caveats
        ids |= {each.id for statement, _ in proposal.risks for each in statement.stands_for}
        for effect in proposal.effects:
            if effect.cost_after > effect.cost_before:
                ids |= {each.id for each in effect.item.statement.stands_for}
    known = {query.name: parse_file(query.text).statements[0].id for query in queries}
    return frozenset(name for name, id_ in known.items() if id_ in ids or any(id_ in text for text in texts))


Algorithm = Callable[[Problem, int | None], Found]

#: By name; the widths are those of their published evaluations.
ALGORITHMS: Mapping[str, Algorithm] = {"Extend": extend, "DB2Advis": db2advis, "AutoAdmin": autoadmin}


def _wide(algorithm: Callable[..., Found]) -> Algorithm:
    return lambda problem, budget_bytes: algorithm(problem, budget_bytes, width=3)


#: With three columns.
WIDE: Mapping[str, Algorithm] = {"Extend, 3 columns": _wide(extend), "AutoAdmin, 3 columns": _wide(autoadmin)}


@dataclass(slots=True, kw_only=True)
class Baselines:
    """Algorithms on one twin, each of which knows the costs that it asked for at smaller budgets."""

    problems: Mapping[str, Problem]
    algorithms: Mapping[str, Algorithm]
    #: What each may take for each budget.
    seconds: float

    def chosen(self, name: str, budget_bytes: int | None) -> Chosen:
        """Return what an algorithm chooses."""
        of, began = self.problems[name], time.perf_counter()
        of.deadline = time.monotonic() + self.seconds
        found = self.algorithms[name](of, budget_bytes)
        seconds = time.perf_counter() - began
        cost = of.total(frozenset(found.chosen)) / of.total(frozenset())
        return Chosen(
            by=name,
            budget_bytes=budget_bytes,
            indexes=tuple(index.index for index in found.chosen),
            predicted=cost,
            seconds=seconds,
            complete=found.complete,
        )


@contextlib.contextmanager
def open_baselines(
    snapshot: Snapshot, workload: Workload, algorithms: Mapping[str, Algorithm], *, seconds: float
) -> Generator[Baselines]:
    """Prepare algorithms for a workload."""
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        among = candidates(twin, workload)
        yield Baselines(
            problems={name: Problem(among) for name in algorithms},
            algorithms=algorithms,
            seconds=seconds,
        )
