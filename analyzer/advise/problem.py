"""What the search for a choice decides by: candidates, limits, what an index must save, and what sets of them cost."""

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from analyzer.advise.cost import CostModel
from analyzer.advise.gains import Gains
from analyzer.advise.integer_program import Capacity, Program, simplified
from analyzer.advise.limits import OF_UPKEEP, Limit, Limits
from analyzer.advise.redundancy import redundant_pairs
from analyzer.advise.sameness import places
from analyzer.twin.twin import TwinIndex

#: Of the workload's cost: sums of costs differ in their last digits.
LEAST = 1e-9
#: How close to its bound the program is solved where many answers are compared.
ROUGH_GAP = 0.02
#: What is found in less time, a tenth of a percent of the cost away.
_ROUGH_TOLERANCE = 0.1


class Problem:
    """The candidates and what counts; what an index must save changes as the search goes on, and who may be chosen."""

    def __init__(self, model: CostModel, candidates: Sequence[TwinIndex], limits: Limits, deadline: float) -> None:
        self.model = model
        self.limits = limits
        self.deadline = deadline
        self.total = model.total(frozenset())
        #: Of two that save the same, the one whose table and columns come first.
        found = {each: places(each.index, model.twin.snapshot) for each in candidates}
        self.candidates = sorted(candidates, key=found.__getitem__)
        self.places = {each: place for place, each in enumerate(self.candidates)}
        #: Without those that turned out to make hardly anything cheaper.
        self.open: Sequence[TwinIndex] = self.candidates
        #: What an index must save beyond its upkeep.
        self.prices: Mapping[TwinIndex, float] = dict.fromkeys(candidates, 0.0)
        self._upkeep = {each: model.upkeep(each, frozenset()) for each in candidates}
        self.within = self._limits_of(limits)
        self._gains = Gains()

    @property
    def is_over(self) -> bool:
        """Say whether the time has run out."""
        return time.monotonic() > self.deadline

    def cost(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what the workload costs with a set, its upkeep included."""
        return self.model.total(chosen) + self.model.upkeep_of(chosen)

    def known_cost(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what a set costs by the plans that are known, which may be more than the planner would find."""
        best = (
            max((plan.saving for plan in known if plan.uses <= chosen), default=0.0)
            for _, known in self.model.known_plans()
        )
        return self.total - sum(best) + self.model.upkeep_of(chosen)

    def value(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what a set saves beyond what its indexes must save."""
        return self.total - self.cost(chosen) - sum(self.prices[each] for each in chosen)

    def missed(self, index: TwinIndex, chosen: frozenset[TwinIndex]) -> float:
        """Return what an index of a set is worth to it."""
        return self.worth(index, chosen - {index})

    def worth(self, index: TwinIndex, beside: frozenset[TwinIndex]) -> float:
        """Return what an index saves on top of a set beyond what it must save."""
        return self.model.saving(index, beside) - self.prices[index]

    def promises(self, chosen: frozenset[TwinIndex], among: Iterable[TwinIndex]) -> dict[TwinIndex, float]:
        """Return what each index could save on top of a set: by the best known plan of each statement that uses it."""
        found = self._gains.beside(chosen, (known for _, known in self.model.known_plans()))
        return {each: found[each] for each in among if each in found}

    def program(self) -> Program:
        """Return the program over the plans that are known."""
        plans = [known for _, known in self.model.known_plans()]
        useful = {index for known in plans for plan in known for index in plan.uses}
        indexes = [each for each in self.open if each in useful]
        return Program(
            indexes=indexes,
            plans=plans,
            prices=self._charged(self.prices),
            capacities=[each.capacity for each in self.within],
            conflicts=list(redundant_pairs(indexes)),
        )

    def simplified(self) -> Program:
        """Return a program that takes less time to solve."""
        return simplified(self.program(), _ROUGH_TOLERANCE)

    def at(self, prices: Mapping[TwinIndex, float], program: Program) -> Program:
        """Return a program in which an index must save something else."""
        return dataclasses.replace(program, prices=self._charged(prices))

    def within_others(self, limits: Limits, program: Program) -> Program:
        """Return a program with other limits."""
        return dataclasses.replace(program, capacities=[each.capacity for each in self._limits_of(limits)])

    def _charged(self, prices: Mapping[TwinIndex, float]) -> dict[TwinIndex, float]:
        return {each: self._upkeep[each] + prices[each] for each in self.candidates}

    def _limits_of(self, limits: Limits) -> list[Limit]:
        return limits.of(self._upkeep, self.total, self.model.existing)

    def taken(self, chosen: Collection[TwinIndex]) -> list[tuple[Capacity, float]]:
        """Return what a set takes of each limit."""
        return [(each.capacity, each.capacity.taken(chosen)) for each in self.within]

    def admits_upkeep(self, chosen: frozenset[TwinIndex], *more: TwinIndex) -> bool:
        """Say whether the upkeep of a set, which its indexes may raise for each other, keeps to its limit."""
        limits = self.limits
        return limits.most_upkeep is None or limits.admit_upkeep(self.model.upkeep_of(chosen.union(more)), self.total)

    def obstacle(self, index: TwinIndex, chosen: Collection[TwinIndex]) -> Limit | None:
        """Return a limit that an index beside a set would exceed."""
        is_dear = not self.admits_upkeep(frozenset({*chosen, index}))
        return next(
            (
                each
                for each in self.within
                if not each.capacity.admits(index, each.capacity.taken(chosen)) or (is_dear and each.name == OF_UPKEEP)
            ),
            None,
        )

    def order(self, chosen: frozenset[TwinIndex]) -> tuple[TwinIndex, ...]:
        """Return a set in the order of application: first what saves most per byte on top of those before it."""
        plans = [[plan for plan in known if plan.uses <= chosen] for _, known in self.model.known_plans()]
        order, so_far = list[TwinIndex](), Gains(lacking=1)
        left = sorted(chosen, key=self.places.__getitem__)
        while left:
            gains = so_far.beside(frozenset(order), plans)
            best = max(left, key=lambda each: (gains.get(each, 0.0) / size(each), -self.places[each]))
            order.append(best)
            left.remove(best)
        return tuple(order)


def size(index: TwinIndex) -> int:
    """Return the bytes of an index, of which one that is empty counts as one."""
    return max(index.size_bytes, 1)
