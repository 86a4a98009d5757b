"""The search for a choice, where the plans that statements have are given: its own logic is all there is."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analyzer.advise.cost import CostModel
from analyzer.advise.limits import Limits
from analyzer.advise.redundancy import rival
from analyzer.advise.select import Selection, select
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.twin import TwinIndex
from tests.unit.fixed_plans import Planned, index, model, planned


def names(indexes: Iterable[TwinIndex]) -> set[str]:
    return {each.index.name.removeprefix("ix_") for each in indexes}


def chosen(statements: Sequence[Planned], indexes: Sequence[TwinIndex], limits: Limits | None = None) -> set[str]:
    return names(select(model(indexes, statements), indexes, limits).chosen)


def refused(selection: Selection) -> dict[str, str | None]:
    return {each.index.index.name.removeprefix("ix_"): each.because for each in selection.refused}


def pages(number: int) -> Limits:
    return Limits(budget_bytes=number * BLOCK_BYTES)


def test_what_an_index_that_helps_hardly_leaves_of_a_budget_goes_to_others() -> None:
    faint, strong, weaker = index("a"), index("b"), index("c")
    statements = [
        planned(1_000_000, (960_000, [faint])),
        planned(11_000, (1_000, [strong])),
        planned(10_000, (1_000, [weaker])),
    ]
    indexes = [faint, strong, weaker]
    selection = select(model(indexes, statements), indexes, pages(10))
    assert names(selection.chosen) == {"b"}
    assert refused(selection) == {
        "a": "it makes the statements that it changes less than 1.05 times cheaper",
        "c": "its 0.1 MB exceed what is left of the limit of 0.1 MB (--budget)",
    }
    assert chosen(statements, indexes, pages(20)) == {"b", "c"}
    # From 1.05 times on it is worth its room.
    assert chosen([planned(1_000_000, (950_000, [faint])), *statements[1:]], indexes, pages(10)) == {"a"}


def test_what_is_left_by_one_that_helps_hardly_may_go_to_another_such() -> None:
    """And what that leaves goes to a third one that helps."""
    faint, fainter, strong = index("a"), index("b"), index("c")
    statements = [
        planned(1_000_000, (960_000, [faint])),
        planned(1_000_000, (970_000, [fainter])),
        planned(11_000, (1_000, [strong])),
    ]
    assert chosen(statements, [faint, fainter, strong], pages(10)) == {"c"}


def beyond() -> tuple[list[Planned], list[TwinIndex]]:
    """Return a statement that two indexes together help nearly as much as one, which hides that.

    It reads `g` or `gh` where one of them is there. Beside `ghi`, which serves what they do, it reads `a` and `b`.
    """
    first, second, one, other, long = index("a", 6), index("b", 6), index("g", 10), index("gh", 11), index("ghi", 36)
    hidden = planned(1_000, (900, [one]), (901, [other]), (902, [first, second]), (910, [long]))
    statements = [
        planned(1_000, *((cost - 800, uses) for uses, cost in hidden.plans.items())),
        planned(100, (70, [first])),
        planned(100, (70, [second])),
        planned(2_000, (1_000, [long])),
    ]
    return statements, [first, second, one, other, long]


def test_plans_of_sets_beyond_the_budget_show_what_is_best_within_it() -> None:
    statements, indexes = beyond()
    assert chosen(statements, indexes, pages(12)) == {"a", "b"}


HEADS = "abcdefghij"


def saving(*tail: float) -> tuple[list[Planned], list[TwinIndex]]:
    """Return ten statements that an index each saves 100, and more of them that another saves less, of equal size."""
    indexes = [index(column) for column in [*HEADS, *"klmnop"[: len(tail)]]]
    savings = [*(100.0 for _ in HEADS), *tail]
    return [planned(1.5 * saved, (0.5 * saved, [each])) for saved, each in zip(savings, indexes, strict=True)], indexes


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        pytest.param((10, 10, 10, 10), "", id="ten of fourteen save 96 %"),
        pytest.param((20, 20, 20, 20), "klmn", id="ten save 92 %, and the others alike"),
        pytest.param((12, 14, 24, 30), "mn", id="ten save 92 %, twelve 98 %"),
        pytest.param((5,), "", id="a twentieth of a share is too little in any case"),
    ],
)
def test_the_knee_asks_as_much_of_an_index_as_leaves_95_percent(tail: Sequence[float], kept: str) -> None:
    statements, indexes = saving(*tail)
    assert chosen(statements, indexes) == {*HEADS, *kept}
    whole = sum(each.size_bytes for each in indexes)
    assert chosen(statements, indexes, Limits(budget_bytes=whole)) == names(indexes), "a budget is there to be used"


def test_the_knee_leaves_out_what_is_large_and_keeps_what_is_small_of_equal_saving() -> None:
    statements, indexes = saving(30, 30)
    large = index("l", 60)
    statements[-1] = planned(45, (15, [large]))
    assert chosen(statements, [*indexes[:-1], large]) == {*HEADS, "k"}


def test_what_two_indexes_save_together_counts_among_what_is_possible() -> None:
    """Though it is hardly more than one of them saves: 938, of which 875 are not 95 %."""
    one, large = index("a", 20), index("b", 40)
    statement = planned(1_000, (125, [one]), (62, [one, large]))
    assert chosen([statement], [one, large]) == {"a", "b"}
    assert chosen([planned(1_000, (105, [one]), (62, [one, large]))], [one, large]) == {"a"}


def test_what_cannot_be_chosen_together_is_no_measure_of_what_is_possible() -> None:
    """A plan that reads two indexes of which one begins with the other saves nothing that could be had."""
    short, long, other = index("c", 11), index("ca", 14), index("dc", 20)
    statements = [
        planned(9_260, (2_315, [short, long])),
        planned(888, (444, [short]), (111, [other])),
        planned(110, (27, [short])),
        planned(794, (98, [other])),
    ]
    assert chosen(statements, [short, long, other]) == {"c", "dc"}


@pytest.mark.parametrize("tail", [(10, 10, 10, 10), (20, 20, 20, 20), (12, 14, 24, 30)])
def test_once_all_that_the_knee_chose_is_declared_nothing_more_is_proposed(tail: Sequence[float]) -> None:
    statements, indexes = saving(*tail)
    first = select(model(indexes, statements), indexes).chosen
    rest = [each for each in indexes if each not in first]
    assert select(model(indexes, statements, base=first), rest).chosen == ()
    # Without one of the large ones the choice is no longer enough.
    (again,) = select(model(indexes, statements, base=first[1:]), [first[0], *rest]).chosen
    assert again == first[0]


def test_of_two_indexes_of_which_one_begins_with_the_other_one_is_chosen() -> None:
    """Though both together would save more: the longer one on top of the shorter one, which reads faster."""
    short, long = index("a", 10), index("ab", 40)
    statements = [planned(1_000, (100, [short]), (500, [long])), planned(300, (100, [long]))]
    for limits in (Limits(least_saving=0.0), pages(50)):
        selection = select(model([short, long], statements), [short, long], limits)
        assert names(selection.chosen) == {"a"}
        assert refused(selection) == {"ab": "ix_a, which it begins with, is proposed"}
    assert chosen([planned(1_000, (100, [short]), (120, [long])), statements[1]], [short, long]) == {"ab"}


def test_a_first_choice_is_made_however_small_a_part_of_the_workload_it_saves() -> None:
    """A statement that nothing helps may be nearly all of it."""
    one = index("a")
    statements = [planned(1_000_000), planned(500, (5, [one]))]
    for limits in (None, pages(10), Limits(least_saving=0.0001)):
        assert chosen(statements, [one], limits) == {"a"}
    (left,) = select(model([one], statements), [one], Limits(least_saving=0.001)).refused
    assert (left.because, left.share) == (None, pytest.approx(495 / 1_000_500))


def test_what_pays_is_chosen_though_all_that_plans_read_would_cost_more_than_it_saves() -> None:
    """An index that saves less than its upkeep is no measure of what others must save."""
    useful, *dear = (index(column) for column in "abcdef")
    each = model([useful], [], inserts=1_000).upkeep(useful, frozenset())
    statements = [planned(2.1 * each, (0.1 * each, [useful])), *(planned(each, (0.5 * each, [one])) for one in dear)]
    for limits in (None, pages(100)):
        selection = select(model([useful, *dear], statements, inserts=1_000), [useful, *dear], limits)
        assert names(selection.chosen) == {"a"}


@dataclass(frozen=True, slots=True)
class Case:
    """Some indexes and statements, of each of which two plans with indexes at most: the search comes to know them all.

    They are twice as cheap as each other at least, so that no index is left out because it is hardly noticed.
    """

    indexes: Sequence[TwinIndex]
    statements: Sequence[Planned]
    inserts: float

    def select(self, limits: Limits, *, base: frozenset[TwinIndex] = frozenset()) -> frozenset[TwinIndex]:
        indexes = [each for each in self.indexes if each not in base and rival(each, base) is None]
        return frozenset(select(self.model(base), indexes, limits).chosen)

    def model(self, base: Iterable[TwinIndex] = ()) -> CostModel:
        return model(self.indexes, self.statements, base=base, inserts=self.inserts)

    def savings(self, limits: Limits) -> dict[frozenset[TwinIndex], float]:
        """Return what every set within the limits saves, upkeep deducted."""
        costs = self.model()
        numbers = range(len(self.indexes) + 1)
        sets = map(frozenset, itertools.chain(*(itertools.combinations(self.indexes, number) for number in numbers)))
        return {
            each: costs.total(frozenset()) - costs.total(each) - costs.upkeep_of(each)
            for each in sets
            if not any(rival(one, each - {one}) for one in each)
            and (limits.most is None or len(each) <= limits.most)
            and (limits.budget_bytes is None or sum(one.size_bytes for one in each) <= limits.budget_bytes)
        }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    columns = draw(st.lists(st.text("abcd", min_size=1, max_size=2), min_size=1, max_size=5, unique=True))
    indexes = [index(each, draw(st.integers(1, 40))) for each in columns if len({*each}) == len(each)]
    assume(indexes)
    uses = st.lists(st.sampled_from(indexes), min_size=1, max_size=2)
    plans = st.lists(st.tuples(st.sampled_from((2, 4, 8, 16, 32)), uses), max_size=2, unique_by=lambda each: each[0])
    statements = [
        planned(bare, *((bare / times, used) for times, used in found), calls=calls)
        for bare, calls, found in draw(
            st.lists(st.tuples(st.integers(1, 1_000), st.sampled_from((1, 10)), plans), min_size=1, max_size=6)
        )
    ]
    return Case(indexes, statements, draw(st.sampled_from((0.0, 10.0, 300.0))))


@given(cases(), st.one_of(st.none(), st.integers(0, 100)), st.one_of(st.none(), st.integers(0, 3)))
@settings(max_examples=60)
def test_no_set_within_the_limits_saves_more_where_all_plans_are_known(
    case: Case, budget: int | None, most: int | None
) -> None:
    limits = Limits(least_saving=0.0, budget_bytes=None if budget is None else budget * BLOCK_BYTES, most=most)
    possible = case.savings(limits)
    assert possible[case.select(limits)] >= 0.994 * max(possible.values()) - 1e-6


@given(cases())
@settings(max_examples=60)
def test_the_knee_saves_95_percent_of_what_is_possible_and_is_enough_once_it_is_declared(case: Case) -> None:
    possible, found = case.savings(Limits()), case.select(Limits())
    assert possible[found] >= 0.95 * max(possible.values()) - 1e-6
    assert case.select(Limits(), base=found) == frozenset()


@pytest.mark.parametrize("order", ["abc", "acb", "bca", "cba"])
def test_of_indexes_that_save_the_same_those_on_the_first_columns_are_chosen(order: str) -> None:
    statements = [planned(1_000, (100, [index(column)])) for column in "abc"]
    for limits in (Limits(most=2), pages(20)):
        assert chosen(statements, [index(column) for column in order], limits) == {"a", "b"}


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_the_candidates_does_not_matter(case: Case, chance: random.Random) -> None:
    other = replace(case, indexes=chance.sample(case.indexes, len(case.indexes)))
    for limits in (Limits(), pages(40)):
        assert select(case.model(), case.indexes, limits) == select(other.model(), other.indexes, limits)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_the_upkeep_of_all_keeps_to_its_limit_though_indexes_raise_it_for_each_other(part: float) -> None:
    """An index on a ends HOT for updates of a, which then add entries to the other ones as well."""
    indexes = [index(column) for column in "abcdef"]
    statements = [planned(1_000, (10 * place, [each])) for place, each in enumerate(indexes, 1)]
    costs = model(indexes, statements, updates=50)
    together, total = costs.upkeep_of(frozenset(indexes)), costs.total(frozenset())
    assert together > 1.5 * sum(costs.upkeep(each, frozenset()) for each in indexes)
    for budget in (None, 60 * BLOCK_BYTES):
        limits = Limits(most_upkeep=part * together / total, budget_bytes=budget)
        found = select(model(indexes, statements, updates=50), indexes, limits).chosen
        assert costs.upkeep_of(frozenset(found)) <= part * together * (1 + 1e-9)
        assert len(found) >= (5 if part < 1 else 6), "without the one on a, none costs anything"
