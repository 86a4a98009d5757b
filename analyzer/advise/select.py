"""Choose indexes: an integer program over the plans that are known, and a search around its answer that learns more.

The program (`integer_program`) is exact about what it knows: the plan of each statement without any candidate, with all
of them, with some of those left out that it then uses, and with each alone. What it chooses is planned; indexes are
added to it and dropped from it one by one as long as that pays, which shows the program further plans, until its answer
stays.
"""

import dataclasses
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import LEAST_GAIN, recorded_cost
from analyzer.advise.cost import CostModel
from analyzer.advise.frontier import Point, bytes_of, point, worth_showing
from analyzer.advise.gains import Gains
from analyzer.advise.integer_program import Capacity, Program, simplified, solve, solve_all
from analyzer.advise.limits import OF_UPKEEP, Limit, Limits
from analyzer.advise.redundancy import by_table, is_redundant, redundant_pairs
from analyzer.advise.sameness import places
from analyzer.progress import Progress, silent
from analyzer.twin.twin import TwinIndex

#: The knee: of what is saved where all candidates are there, an index must save at least this part of its share of the
#: bytes and number of those that are used then, so that what is chosen saves at least 95 % of that.
_KNEE = 0.05
#: As that saves more as a rule, an index must save so many times as much where the choice still saves 95 %.
_STEEPER = (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 12, 16)
#: Of these, so many more are tried than the plans known before allow: the search may find better ones.
_FURTHER = 1
#: The same under a budget, which is there to be used.
_KNEE_OF_BUDGET = 0.002
#: The program is asked again so often at most.
_ROUNDS = 6
#: Before, it is asked what it would choose within so many times the budget.
_BEYOND = 4
#: And so often again without what turned out to make hardly anything cheaper.
_REFILLS = 2
#: So many indexes are tried in addition to those chosen, in each round.
_TRIED = 12
#: And so many of them at once, in which plans are found that use several.
_TOGETHER = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
#: Additions that are planned side by side.
_AT_ONCE = 8
#: Plans that are tried at most to add and drop indexes one by one.
_MOST_QUESTIONS = 1_500
#: Of the workload's cost, what a further round has to save.
_LEAST_BETTER = 1e-3
#: Sets of the frontier, each within half the bytes of the one before.
_FRONTIER = 6
#: What is found in less time, a tenth of a percent of the cost away.
_FRONTIER_TOLERANCE = 0.1
_FRONTIER_GAP = 0.02
#: Sums of costs differ in their last digits.
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that would save something on top of what was chosen, and what stood against it."""

    index: TwinIndex
    #: None where it saves too little.
    because: Limit | None
    #: Of the workload's cost without any choice, upkeep deducted.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was chosen, in the order of application, and what was not."""

    chosen: tuple[TwinIndex, ...]
    #: The largest saving first; empty when the time ran out.
    refused: tuple[Refused, ...]
    #: The smallest set first; empty when the time ran out, or nothing was chosen.
    frontier: tuple[Point, ...]
    #: The time ran out before every candidate was tried.
    complete: bool
    #: How much less the workload could cost with the best set within the same limits, as a share of its cost with the
    #: choice, upkeep and what an index must save included, as far as plans are known; None when the time ran out.
    gap: float | None


def select(
    model: CostModel,
    candidates: Sequence[TwinIndex],
    limits: Limits | None = None,
    *,
    progress: Progress = silent,
) -> Selection:
    """Choose the set that saves most within the limits, upkeep deducted; without a budget, that of the knee."""
    bounds = limits or Limits()
    deadline = time.monotonic() + bounds.seconds if bounds.seconds is not None else float("inf")
    progress(f"advise: {len(candidates)} candidates")
    model.prepare([frozenset()], deadline=deadline)
    model.explore(frozenset(candidates), deadline=deadline)
    model.compare(deadline=deadline)
    search = _Search(model, [each for each in candidates if each not in model.unusable], bounds, deadline, progress)
    search.run()
    complete = time.monotonic() < deadline
    chosen = tuple(each for each in search.ordered() if each not in model.unusable)
    return Selection(
        chosen=chosen,
        refused=search.refused() if complete else (),
        frontier=search.frontier() if complete else (),
        complete=complete,
        gap=search.gap() if complete else None,
    )


class _Search:
    """The search's state: the best set so far, and what an index has to save."""

    def __init__(
        self,
        model: CostModel,
        candidates: Sequence[TwinIndex],
        limits: Limits,
        deadline: float,
        progress: Progress,
    ) -> None:
        self._model = model
        self._limits = limits
        self._deadline = deadline
        self._progress = progress
        self.total = model.total(frozenset())
        #: Of two that save the same, the one whose table and columns come first.
        found = {each: places(each.index, model.twin.snapshot) for each in candidates}
        self._candidates = sorted(candidates, key=found.__getitem__)
        #: Without those that turned out to make hardly anything cheaper.
        self._open = self._candidates
        self._places = {each: place for place, each in enumerate(self._candidates)}
        self._upkeep = {each: model.upkeep(each, frozenset()) for each in candidates}
        self._within = limits.of(self._upkeep, self.total, model.existing)
        self._prices: Mapping[TwinIndex, float] = dict.fromkeys(candidates, 0.0)
        #: Plans that were tried to add and drop indexes.
        self._tried = 0
        self.chosen: frozenset[TwinIndex] = frozenset()
        self._gains = Gains()
        self._bound = 0.0

    def run(self) -> None:
        """Find the best set within the limits."""
        limits, bare = self._limits, self.total
        if limits.least_saving is not None:
            self._prices = dict.fromkeys(self._candidates, limits.least_saving * self.total)
        else:
            knee = _KNEE if limits.budget_bytes is None else _KNEE_OF_BUDGET
            # What is declared counts as chosen before, so that nothing more is proposed once all of it is declared.
            read, bare = self._model.read(frozenset(self._candidates)), self._model.total_without_base()
            saved = bare - self.cost(read - self._model.base)
            if not read or saved <= 0:
                return
            whole = sum(map(_size, read))
            self._prices = {each: knee * saved * (_size(each) / whole + 1 / len(read)) / 2 for each in self._candidates}
        if limits.budget_bytes is not None:
            self._look_beyond(dataclasses.replace(limits, budget_bytes=_BEYOND * limits.budget_bytes))
        unnoticed = frozenset[TwinIndex]()
        for _ in range(1 + _REFILLS):
            # What they leave of a budget is for others.
            self._open = [each for each in self._open if each not in unnoticed]
            self._settle()
            if time.monotonic() > self._deadline or not (unnoticed := self._drop_unnoticed()):
                break
        if limits.least_saving is None and limits.budget_bytes is None and time.monotonic() < self._deadline:
            self._raise_prices(bare)

    def _settle(self) -> None:
        """Ask the program until what it chooses is hardly better than the best set so far."""
        best = self._value(self.chosen)
        for _ in range(_ROUNDS):
            found, self._bound = self._solved()
            found = self._improved(self._affordable(found))
            value = self._value(found)
            if value <= best + _LEAST_BETTER * self.total:
                break
            self.chosen, best = found, value
            if time.monotonic() > self._deadline:
                break
            self._progress(f"advise: {len(found)} chosen, {self._model.questions} plans tried")
            self._model.prepare(self._larger(found), deadline=self._deadline)

    def _raise_prices(self, bare: float) -> None:
        """Let an index have to save as much as it can, if the choice saves 95 % of what is possible of this cost."""
        program = simplified(self._program(), _FRONTIER_TOLERANCE)
        steeper = [{each: times * price for each, price in self._prices.items()} for times in _STEEPER]
        every = [dict.fromkeys(self._candidates, 0.0), *steeper]
        programs = [dataclasses.replace(program, prices=self._charged(prices)) for prices in every]
        free, *solved = (frozenset(each.chosen) for each in solve_all(programs, gap=_FRONTIER_GAP))
        most = bare - (1 - _KNEE) * (bare - self._known_cost(free))
        enough = sum(self._known_cost(each) <= most for each in solved)
        before = self._prices, self.chosen, self._bound
        for self._prices, self.chosen in reversed([*zip(steeper, solved, strict=True)][: enough + _FURTHER]):
            self._settle()
            self._drop_unnoticed()
            if self.cost(self.chosen) <= most or time.monotonic() > self._deadline:
                return
        self._prices, self.chosen, self._bound = before

    def _charged(self, prices: Mapping[TwinIndex, float]) -> dict[TwinIndex, float]:
        return {each: self._upkeep[each] + prices[each] for each in self._candidates}

    def _look_beyond(self, limits: Limits) -> None:
        """Plan what the program chooses within wider limits: it shows plans that smaller sets have as well."""
        program = dataclasses.replace(self._program(), capacities=self._capacities(limits))
        found = frozenset(solve(program, gap=_FRONTIER_GAP).chosen)
        self._model.prepare([found, *self._larger(found)], deadline=self._deadline)

    def _capacities(self, limits: Limits) -> list[Capacity]:
        return [each.capacity for each in limits.of(self._upkeep, self.total, self._model.existing)]

    def gap(self) -> float:
        """Return how much less the best set could cost, as a share of what the choice costs."""
        cost = self.cost(self.chosen)
        return max(0.0, self._bound - self._value(self.chosen)) / cost if cost else 0.0

    def cost(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what the workload costs with a set, its upkeep included."""
        return self._model.total(chosen) + self._model.upkeep_of(chosen)

    def _value(self, chosen: frozenset[TwinIndex]) -> float:
        return self.total - self.cost(chosen) - sum(self._prices[each] for each in chosen)

    def frontier(self) -> tuple[Point, ...]:
        """Return what the workload costs with the best sets of other sizes, as far as plans are known."""
        if not self.chosen or not self.total:
            return ()
        most = max(map(bytes_of, (self.chosen, self._model.read(frozenset(self._candidates)) - self._model.base)))
        rules = dataclasses.replace(self._limits, budget_bytes=None, most=None)
        found = [point(self.chosen, self.cost(self.chosen) / self.total, is_chosen=True)]
        program = simplified(self._program(), _FRONTIER_TOLERANCE)
        every = [dataclasses.replace(rules, budget_bytes=most >> part) for part in range(_FRONTIER)]
        programs = [dataclasses.replace(program, capacities=self._capacities(each)) for each in every]
        for solved in solve_all(programs, gap=_FRONTIER_GAP):
            chosen = frozenset(solved.chosen)
            if chosen != self.chosen:
                found.append(point(chosen, self._known_cost(chosen) / self.total))
        return worth_showing(found)

    def _known_cost(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what a set costs by the plans that are known, which may be more than the planner would find."""
        best = (
            max((plan.saving for plan in known if plan.uses <= chosen), default=0.0)
            for _, known in self._model.known_plans()
        )
        return self.total - sum(best) + self._model.upkeep_of(chosen)

    def _solved(self) -> tuple[frozenset[TwinIndex], float]:
        """Return the program's set, none of which another one serves, and what no set is worth more than."""
        found = solve(self._program())
        return frozenset(found.chosen), found.bound

    def _program(self) -> Program:
        plans = [known for _, known in self._model.known_plans()]
        useful = {index for known in plans for plan in known for index in plan.uses}
        indexes = [each for each in self._open if each in useful]
        return Program(
            indexes=indexes,
            plans=plans,
            prices=self._charged(self._prices),
            capacities=[each.capacity for each in self._within],
            conflicts=list(redundant_pairs(indexes)),
        )

    def _larger(self, chosen: frozenset[TwinIndex]) -> list[frozenset[TwinIndex]]:
        """Return sets that are worth knowing about though they may be too large: for what others could be left out."""
        beside = by_table(chosen)
        worth = {
            index: saving - self._prices[index]
            for index, saving in self._promises(chosen, self._open).items()
            if not is_redundant(index, beside.get(index.index.full_table, ())) and self._obstacle(index, ()) is None
        }
        added = sorted((each for each in worth if worth[each] > 0), key=lambda each: (-worth[each], self._places[each]))
        several = [chosen | {*added[:number]} for number in _TOGETHER if number < len(added)]
        return [*(chosen | {each} for each in added[:_TRIED]), *several]

    def _improved(self, chosen: frozenset[TwinIndex]) -> frozenset[TwinIndex]:
        """Add and drop single indexes as long as that pays, until so many plans have been tried."""
        bounds = self._promises(chosen, self._open)
        # What an index costs depends on those beside it, so that the moves could go round in a circle.
        seen: set[frozenset[TwinIndex]] = set()
        while self._tried < _MOST_QUESTIONS and time.monotonic() < self._deadline and chosen not in seen:
            seen.add(chosen)
            self._prepare([chosen - {each} for each in chosen])
            dropped = min(chosen, key=lambda each: (self._missed(each, chosen), self._places[each]), default=None)
            if dropped is not None and self._missed(dropped, chosen) <= 0:
                chosen -= {dropped}
                bounds = self._promises(chosen, self._open)
                continue
            added = self._best_addition(chosen, bounds)
            if added is None:
                break
            chosen |= {added}
        return chosen

    def _affordable(self, chosen: frozenset[TwinIndex]) -> frozenset[TwinIndex]:
        """Leave out what is worth least until the upkeep keeps to its limit: the program adds up that of each alone."""
        while chosen and not self._admits_upkeep(chosen):
            self._prepare([chosen - {each} for each in chosen])
            chosen -= {min(chosen, key=lambda each: (self._missed(each, chosen), self._places[each]))}
        return chosen

    def _admits_upkeep(self, chosen: frozenset[TwinIndex], *more: TwinIndex) -> bool:
        limits = self._limits
        return limits.most_upkeep is None or limits.admit_upkeep(self._model.upkeep_of(chosen.union(more)), self.total)

    def _missed(self, index: TwinIndex, chosen: frozenset[TwinIndex]) -> float:
        """Return what an index of a set is worth to it."""
        rest = chosen - {index}
        return self._model.saving(index, rest) - self._prices[index]

    def _best_addition(self, chosen: frozenset[TwinIndex], bounds: dict[TwinIndex, float]) -> TwinIndex | None:
        """Return what is worth most on top of a set; a candidate's last known worth is taken for an upper bound."""
        best, most = None, _LEAST * self.total
        taken = [(each.capacity, each.capacity.taken(chosen)) for each in self._within]
        beside = by_table(chosen)
        possible = [
            each
            for each in bounds
            if each not in chosen
            and all(limit.admits(each, used) for limit, used in taken)
            and not is_redundant(each, beside.get(each.index.full_table, ()))
            and self._admits_upkeep(chosen, each)
        ]
        possible.sort(key=lambda each: (-bounds[each], self._places[each]))
        for begin in range(0, len(possible), _AT_ONCE):
            some = possible[begin : begin + _AT_ONCE]
            if self._tried >= _MOST_QUESTIONS or time.monotonic() > self._deadline or bounds[some[0]] <= most:
                break
            self._prepare([chosen | {each} for each in some])
            for index in some:
                bounds[index] = self._model.saving(index, chosen) - self._prices[index]
                if bounds[index] > most:
                    best, most = index, bounds[index]
        return best

    def _prepare(self, configurations: Sequence[frozenset[TwinIndex]]) -> None:
        before = self._model.questions
        self._model.prepare(configurations, deadline=self._deadline)
        self._tried += self._model.questions - before

    def _promises(self, chosen: frozenset[TwinIndex], among: Sequence[TwinIndex]) -> dict[TwinIndex, float]:
        """Return what each index could save on top of a set: by the best known plan of each statement that uses it."""
        found = self._gains.beside(chosen, (known for _, known in self._model.known_plans()))
        return {each: found[each] for each in among if each in found}

    def _drop_unnoticed(self) -> frozenset[TwinIndex]:
        """Drop what makes the statements that it changes hardly cheaper, neither in its place nor beside all others."""
        chosen = self.chosen
        while True:
            order = self.ordered()
            before = [frozenset(order[:number]) for number in range(len(order))]
            rest = [self.chosen - {each} for each in order]
            self._model.prepare([*before, self.chosen, *rest])
            unnoticed = {
                each
                for each, smaller, others in zip(order, before, rest, strict=True)
                if max(self._gain(each, smaller), self._gain(each, others)) < LEAST_GAIN
            }
            if not unnoticed:
                return chosen - self.chosen
            self.chosen -= unnoticed

    def _gain(self, index: TwinIndex, chosen: frozenset[TwinIndex]) -> float:
        """Return how many times cheaper the statements get that adding an index to a set changes."""
        changes = [each for each in self._model.changes(index, chosen) if each.is_notable]
        if not changes:
            return 1.0
        before = sum(recorded_cost(each.item, each.cost_before) for each in changes)
        after = sum(recorded_cost(each.item, each.cost_after) for each in changes)
        return before / after if after else math.inf

    def ordered(self) -> tuple[TwinIndex, ...]:
        """Return the choice in the order of application: first what saves most per byte on top of those before it."""
        plans = [[plan for plan in known if plan.uses <= self.chosen] for _, known in self._model.known_plans()]
        order, so_far = list[TwinIndex](), Gains(lacking=1)
        left = sorted(self.chosen, key=self._places.__getitem__)
        while left:
            gains = so_far.beside(frozenset(order), plans)
            best = max(left, key=lambda each: (gains.get(each, 0.0) / _size(each), -self._places[each]))
            order.append(best)
            left.remove(best)
        return tuple(order)

    def refused(self) -> tuple[Refused, ...]:
        """Say what each candidate left would still save, and why it was not chosen; leave out what saves nothing.

        The first ones are planned; what the others save is that of known plans, in which they are not alone.
        """
        least, beside = _LEAST * self.total, by_table(self.chosen)
        promises = self._promises(self.chosen, self._candidates)
        others = [
            each
            for each in promises
            if promises[each] > least and not is_redundant(each, beside.get(each.index.full_table, ()))
        ]
        others.sort(key=lambda each: (-promises[each], self._places[each]))
        tried, rest = others[:_TRIED], others[_TRIED:]
        self._model.prepare([self.chosen | {each} for each in tried], deadline=self._deadline)
        savings = {each: self._model.saving(each, self.chosen) for each in tried}
        tried = sorted((each for each in tried if savings[each] > least), key=lambda each: -savings[each])
        return tuple(
            Refused(index=index, because=self._because(index, saving), share=saving / self.total)
            for index, saving in (
                *((each, savings[each]) for each in tried),
                *((each, promises[each]) for each in rest),
            )
        )

    def _because(self, index: TwinIndex, saving: float) -> Limit | None:
        return self._obstacle(index, self.chosen) if saving > self._prices[index] else None

    def _obstacle(self, index: TwinIndex, chosen: Collection[TwinIndex]) -> Limit | None:
        """Return a limit that an index beside a set would exceed."""
        is_dear = not self._admits_upkeep(frozenset({*chosen, index}))
        return next(
            (
                each
                for each in self._within
                if not each.capacity.admits(index, each.capacity.taken(chosen)) or (is_dear and each.name == OF_UPKEEP)
            ),
            None,
        )


def _size(index: TwinIndex) -> int:
    return max(index.size_bytes, 1)
