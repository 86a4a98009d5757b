"""What one statement costs under sets of indexes: from as few plans as will tell.

A statement that is planned with a set V of indexes visible and uses the subset U of them has the same plan under every
configuration between U and V, so one plan answers for many (Frank, Omiecinski, Navathe, "Adaptive and automated index
selection in RDBMS", EDBT 1992). To show an index takes time, so those that a statement has nothing to do with are
looked at together, once, and left out from then on.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import Costs
from analyzer.twin.twin import TwinIndex

Configuration = frozenset[TwinIndex]

#: Of a smaller configuration every subset is looked up; of a larger one, what is known is gone through.
_SMALL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the planner: the costs under every configuration between `used` and `visible`."""

    #: What the plans read.
    read: Configuration
    #: That, and what may have changed them by being there.
    used: Configuration
    visible: Configuration
    costs: Costs


class PlanCache:
    """The answers to one statement, and what to ask next."""

    def __init__(self, base: Configuration, unrelated: Configuration) -> None:
        #: What is there in any case.
        self._base = base
        #: What no plan is going to use, whatever else is visible; the first answer confirms it.
        self._unrelated: Configuration = unrelated
        self._is_confirmed = not unrelated
        #: By what is used; of two answers the one that holds for less is left out.
        self._answers: dict[Configuration, list[Answer]] = {}
        self._costs: dict[Configuration, Costs] = {}
        #: How many answers there were.
        self.learned = 0

    def find(self, wanted: Configuration) -> Costs | None:
        """Return the costs under a configuration when an answer holds for it."""
        if self._is_confirmed:
            wanted -= self._unrelated
        if (costs := self._costs.get(wanted)) is None:
            for answer in self._using(wanted):
                if wanted <= answer.visible:
                    costs = self._costs[wanted] = answer.costs
                    break
        return costs

    def _using(self, wanted: Configuration) -> Iterator[Answer]:
        """Yield the answers that use only indexes of the configuration."""
        if len(wanted) <= _SMALL:
            for used in _parts(wanted, len(wanted)):
                yield from self._answers.get(used, ())
        else:
            for used, answers in self._answers.items():
                if used <= wanted:
                    yield from answers

    def read(self, wanted: Configuration) -> Configuration:
        """Return what the plan under a configuration reads; nothing where its costs are not known."""
        wanted -= self._unrelated if self._is_confirmed else frozenset()
        return next((each.read for each in self._using(wanted) if wanted <= each.visible), frozenset[TwinIndex]())

    def plans(self) -> Sequence[Answer]:
        """Return the answers, the cheapest first, but those that need more than another one and cost as much."""
        found: list[Answer] = []
        answers = itertools.chain.from_iterable(self._answers.values())
        for answer in sorted(answers, key=lambda each: (sum(each.costs), len(each.used))):
            if not any(other.used <= answer.used for other in found):
                found.append(answer)
        return found

    def shown(self, wanted: Configuration) -> Configuration:
        """Return what to show next to learn the costs under a configuration."""
        return wanted - self._unrelated if self._is_confirmed else self._base | self._unrelated

    def learn(self, answer: Answer) -> None:
        """Keep an answer."""
        self.learned += 1
        alike = self._answers.get(answer.used, [])
        self._answers[answer.used] = [*(each for each in alike if not each.visible <= answer.visible), answer]
        if not self._is_confirmed:
            self._is_confirmed = True
            if answer.used & self._unrelated:
                self._unrelated = frozenset()


def _parts(indexes: Configuration, most: int) -> Iterator[Configuration]:
    """Yield the subsets of up to so many indexes."""
    for size in range(most + 1):
        yield from map(frozenset, itertools.combinations(indexes, size))
