"""What an index must save: a part of its share of the bytes and the number of what saves most.

Without a budget that is as much as leaves a choice that saves nearly as much: the knee of the curve of saving against
size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.integer_program import solve_all
from analyzer.advise.problem import ROUGH_GAP, Problem, size
from analyzer.twin.twin import TwinIndex

#: Of what is saved where all candidates are there, an index must save at least this part of its share of the bytes and
#: number of those that are used then, so that what is chosen saves at least 95 % of that.
_KNEE = 0.05
#: The same under a budget, which is there to be used.
_KNEE_OF_BUDGET = 0.002
#: As the choice saves more than that as a rule, an index must save so many times as much where it still saves 95 %.
_STEEPER = (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 12, 16)
#: Of these, so many more are tried than the plans known before allow: the search may find better ones.
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
    model, candidates = problem.model, problem.candidates
    read = model.read(frozenset(candidates))
    saved = bare - problem.cost(read - model.base)
    if not read or saved <= 0:
        return None
    part, whole = _KNEE if problem.limits.budget_bytes is None else _KNEE_OF_BUDGET, sum(map(size, read))
    return {each: part * saved * (size(each) / whole + 1 / len(read)) / 2 for each in candidates}


def steeper_prices(problem: Problem, bare: float) -> tuple[Sequence[Steeper], float]:
    """Return prices to try, the highest first, and what a choice may cost: it saves 95 % of what is possible."""
    program = problem.simplified()
    steeper = [{each: times * price for each, price in problem.prices.items()} for times in _STEEPER]
    every = [dict.fromkeys(problem.candidates, 0.0), *steeper]
    programs = [problem.at(prices, program) for prices in every]
    free, *solved = (frozenset(each.chosen) for each in solve_all(programs, gap=ROUGH_GAP))
    most = bare - (1 - _KNEE) * (bare - problem.known_cost(free))
    enough = sum(problem.known_cost(each) <= most for each in solved)
    found = [Steeper(prices=prices, chosen=chosen) for prices, chosen in zip(steeper, solved, strict=True)]
    return found[: enough + _FURTHER][::-1], most
