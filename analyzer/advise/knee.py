"""What an index must save: a part of its share of the bytes and the number of what saves most.

Without a budget that is as much as leaves a choice that saves nearly as much: the knee of the curve of saving against
size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.integer_program import solve, solve_all
from analyzer.advise.limits import Limits
from analyzer.advise.problem import ROUGH_GAP, Problem, size
from analyzer.twin.twin import TwinIndex

#: Of what is saved where all candidates are there, an index must save at least this part of its share of the bytes and
#: number of those that are used then, so that what is chosen saves at least 95 % of that.
_KNEE = 0.05
#: The same under a budget, which is there to be used.
_KNEE_OF_BUDGET = 0.002
#: As the choice saves more than that as a rule, an index must save so many times as much where it still saves 95 %: at
#: most a quarter of its share, which no one would do without for its size or number.
_STEEPER = (1.5, 2, 2.5, 3, 3.5, 4, 5)
#: Where it does not even save that, so many times: what plans read may be more than can be chosen together.
_FLATTER = (0.5, 0.25, 0.0)
#: Of the steeper ones, so many more are tried than the plans known before allow: the search may find better ones.
_FURTHER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Steeper:
    """Prices by which an index must save more, and the best set known at these."""

    prices: Mapping[TwinIndex, float]
    chosen: frozenset[TwinIndex]


def least_prices(problem: Problem, bare: float) -> Mapping[TwinIndex, float] | None:
    """Return what each index must save at least of a cost without anything declared; None where nothing can be saved.

    What is declared counts as chosen before, so that nothing more is proposed once all of it is declared.
    """
    best = _best_of_any_size(problem)
    saved = bare - problem.cost(best - problem.model.base)
    if not best or saved <= 0:
        return None
    part, whole = _KNEE if problem.limits.budget_bytes is None else _KNEE_OF_BUDGET, sum(map(size, best))
    return {each: part * saved * (size(each) / whole + 1 / len(best)) / 2 for each in problem.candidates}


def _best_of_any_size(problem: Problem) -> frozenset[TwinIndex]:
    """Return the set that saves most without any limit: what plans read where all candidates are there.

    Its upkeep may be more than it saves, as the planner knows nothing of that; then it is what the program chooses.
    """
    model = problem.model
    read = model.read(frozenset(problem.candidates))
    if not model.upkeep_of(read - model.base):
        return read
    free = problem.at(dict.fromkeys(problem.candidates, 0.0), problem.within_others(Limits(), problem.simplified()))
    chosen = frozenset(solve(free, gap=ROUGH_GAP).chosen) | (read & model.base)
    model.prepare([chosen], deadline=problem.deadline)
    return min(read, chosen, key=lambda each: problem.cost(each - model.base))


def steeper_prices(problem: Problem, bare: float, chosen: frozenset[TwinIndex]) -> tuple[Sequence[Steeper], float]:
    """Return prices to try, the highest first, and what a choice may cost: it saves 95 % of what is possible.

    That is measured by the choice at the lowest prices, and by what the program would choose at none.
    """
    program = problem.simplified()
    steeper = [{each: times * price for each, price in problem.prices.items()} for times in _STEEPER]
    every = [dict.fromkeys(problem.candidates, 0.0), *steeper]
    programs = [problem.at(prices, program) for prices in every]
    free, *solved = (frozenset(each.chosen) for each in solve_all(programs, gap=ROUGH_GAP))
    most = bare - (1 - _KNEE) * (bare - min(problem.known_cost(free), problem.cost(chosen)))
    enough = sum(problem.known_cost(each) <= most for each in solved)
    found = [Steeper(prices=prices, chosen=chosen) for prices, chosen in zip(steeper, solved, strict=True)]
    found = found[: enough + _FURTHER][::-1]
    if problem.cost(chosen) > most:
        flatter = [{each: times * price for each, price in problem.prices.items()} for times in _FLATTER]
        found += [Steeper(prices=prices, chosen=chosen) for prices in flatter]
    return found, most
