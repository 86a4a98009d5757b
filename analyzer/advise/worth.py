"""Say what each proposed index is worth, and what could be built in its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.advise.cost import CostModel
from analyzer.advise.gains import Gains
from analyzer.advise.redundancy import is_redundant
from analyzer.advise.sameness import places
from analyzer.twin.twin import TwinIndex

#: What could take the place of an index is named by so many examples.
_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A candidate that could take the place of one that is proposed."""

    index: TwinIndex
    #: In that place, by the plans that are known, as a share of the workload's cost without any proposal.
    saving: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What an index saves, of the workload's cost without any proposal, upkeep deducted."""

    alone: float
    #: On top of all other proposals.
    beside: float
    #: The best first.
    alternatives: tuple[Alternative, ...]


def worth(model: CostModel, chosen: Sequence[TwinIndex]) -> Iterator[tuple[TwinIndex, Worth]]:
    """Yield what each index of a set is worth."""
    every, total = frozenset(chosen), model.total(frozenset())
    model.prepare([frozenset([each]) for each in chosen] + [every - {each} for each in chosen])
    known = list(model.known_plans())
    for index in chosen:
        rest, table = every - {index}, index.index.full_table
        plans = [plans for item, plans in known if item.tables is None or table in item.tables]
        savings = {
            each: gain - model.upkeep(each, rest)
            for each, gain in Gains(lacking=1).beside(rest, plans).items()
            if each != index and each.index.full_table == table and not is_redundant(each, rest)
        }
        others = [each for each in savings if savings[each] > 0]
        others.sort(key=lambda each: (-savings[each], places(each.index, model.twin.snapshot)))
        yield (
            index,
            Worth(
                alone=model.saving(index, frozenset()) / total if total else 0.0,
                beside=model.saving(index, rest) / total if total else 0.0,
                alternatives=tuple(
                    Alternative(index=each, saving=savings[each] / total) for each in others[:_ALTERNATIVES]
                ),
            ),
        )
