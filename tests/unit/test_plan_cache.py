"""Whatever the plans of a statement are, few of them tell the costs of all configurations."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from analyzer.advise.plan_cache import Answer, Configuration, PlanCache
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.predict.index_size import IndexSize
from analyzer.twin.twin import TwinIndex

TABLES = ("a", "b")


def candidate(number: int, table: str) -> TwinIndex:
    name = f"{table}_{number}"
    definition = IndexDef(schema="public", table=table, name=name, keys=(Key(column="c"),))
    return TwinIndex(index=definition, size=IndexSize(pages=1, tuples=0), oids=(number,), names=frozenset([name]))


INDEXES = tuple(candidate(number, TABLES[number % 2]) for number in range(8))
STRANGERS = frozenset(INDEXES[6:])
some_indexes = st.frozensets(st.sampled_from(INDEXES))
#: By what it uses: the cost of a plan. The one that uses nothing is always there, and the dearest.
some_plans = st.dictionaries(
    st.frozensets(st.sampled_from(INDEXES), min_size=1, max_size=3), st.integers(1, 99), max_size=12
)


class Planner:
    """Takes the cheapest plan there is with what it sees."""

    def __init__(self, plans: Mapping[Configuration, int]) -> None:
        self._plans = {frozenset[TwinIndex](): 100, **plans}
        self.asked: list[Configuration] = []

    def plan(self, visible: Configuration) -> Answer:
        self.asked.append(visible)
        possible = [used for used in self._plans if used <= visible]
        used = min(possible, key=lambda each: (self._plans[each], sorted(index.oids for index in each)))
        return Answer(read=used, used=used, visible=visible, costs=(float(self._plans[used]),))


def settle(answers: PlanCache, planner: Planner, wanted: Configuration) -> float:
    before = len(planner.asked)
    while (costs := answers.find(wanted)) is None:
        answers.learn(planner.plan(answers.shown(wanted)))
        assert len(planner.asked) <= before + 2
    return costs[0]


@given(some_plans, st.lists(some_indexes, max_size=30))
def test_what_is_found_is_what_planning_it_gives(
    plans: Mapping[Configuration, int], asked: Sequence[Configuration]
) -> None:
    unrelated = frozenset(index for index in STRANGERS if not any(index in used for used in plans))
    answers, planner = PlanCache(frozenset(), unrelated), Planner(plans)
    for wanted in asked:
        assert settle(answers, planner, wanted) == Planner(plans).plan(wanted).costs[0]


@given(some_plans, st.lists(some_indexes, max_size=30))
def test_a_plan_answers_for_all_that_is_between_what_it_uses_and_what_it_saw(
    plans: Mapping[Configuration, int], parts: Sequence[Configuration]
) -> None:
    answers, planner = PlanCache(frozenset(), frozenset()), Planner(plans)
    settle(answers, planner, frozenset(INDEXES))
    used = answers.read(frozenset(INDEXES))
    for part in parts:
        settle(answers, planner, used | part)
    assert len(planner.asked) == 1


def test_a_stranger_that_is_used_is_one_no_more() -> None:
    stranger = INDEXES[6]
    answers, planner = PlanCache(frozenset(), STRANGERS), Planner({frozenset([stranger]): 7})
    assert settle(answers, planner, frozenset([INDEXES[0]])) == 100
    assert settle(answers, planner, frozenset([stranger, INDEXES[0]])) == 7
