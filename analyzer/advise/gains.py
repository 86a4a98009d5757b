"""What indexes would save on top of a set, told from the known plans."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyzer.advise.integer_program import KnownPlan
from analyzer.twin.twin import TwinIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gain:
    """What the indexes that the plans of one statement use would save it."""

    plans: Sequence[KnownPlan]
    #: What of the set these plans use.
    part: frozenset[TwinIndex]
    by_index: dict[TwinIndex, float]


class Gains:
    """Tells it of one set after the other, each statement again only where the set changed for it."""

    def __init__(self, *, lacking: int | None = None) -> None:
        #: Only plans count that lack so many indexes of the set at most.
        self._lacking = lacking
        #: By the statement's place: all indexes that its plans use, and what was found last.
        self._used: dict[int, tuple[Sequence[KnownPlan], frozenset[TwinIndex]]] = {}
        self._known: dict[int, _Gain] = {}

    def beside(self, chosen: frozenset[TwinIndex], plans: Iterable[Sequence[KnownPlan]]) -> dict[TwinIndex, float]:
        """Return what the best known plans of statements save more that use an index and those of a set.

        A statement whose plans are the same object as before has no others.
        """
        found: dict[TwinIndex, float] = {}
        for place, known in enumerate(plans):
            for index, saving in self._of(place, known, chosen).items():
                found[index] = found.get(index, 0.0) + saving
        return found

    def _of(self, place: int, plans: Sequence[KnownPlan], chosen: frozenset[TwinIndex]) -> dict[TwinIndex, float]:
        used = self._used.get(place)
        if used is None or used[0] is not plans:
            used = self._used[place] = plans, frozenset[TwinIndex]().union(*(plan.uses for plan in plans))
        part = chosen & used[1]
        known = self._known.get(place)
        if known is None or known.plans is not plans or known.part != part:
            known = self._known[place] = _Gain(plans=plans, part=part, by_index=_best(plans, part, self._lacking))
        return known.by_index


def _best(plans: Sequence[KnownPlan], chosen: frozenset[TwinIndex], lacking: int | None) -> dict[TwinIndex, float]:
    now = max((plan.saving for plan in plans if plan.uses <= chosen), default=0.0)
    best: dict[TwinIndex, float] = {}
    for plan in plans:
        if plan.saving > now:
            added = plan.uses - chosen
            for index in added if lacking is None or len(added) <= lacking else ():
                best[index] = max(best.get(index, 0.0), plan.saving - now)
    return best
