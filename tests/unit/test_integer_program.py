"""The integer program's set is the best one of all, and its bound holds."""

import itertools
import random
from dataclasses import replace

import pytest

from analyzer.advise.integer_program import Capacity, KnownPlan, Program, solve
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.hypothetical.add_indexes import TwinIndex
from analyzer.twin.predict.index_size import IndexSize


def index(number: int, pages: int) -> TwinIndex:
    name = f"ix_{number}"
    definition = IndexDef(schema="public", table="t", name=name, keys=(Key(column=f"c{number}"),))
    size = IndexSize(pages=pages, tuples=0)
    return TwinIndex(index=definition, size=size, oids=(number,), names=frozenset([name]))


def value(program: Program, chosen: tuple[TwinIndex, ...]) -> float:
    """Return what a set saves, prices deducted: each statement takes the best plan it can."""
    have = frozenset(chosen)
    saved = sum(max((plan.saving for plan in plans if plan.uses <= have), default=0.0) for plans in program.plans)
    return saved - sum(program.prices[each] for each in chosen)


def allowed(program: Program, chosen: tuple[TwinIndex, ...]) -> bool:
    return all(
        sum(limit.needs.get(each, 0.0) for each in chosen) <= limit.most for limit in program.capacities
    ) and not any(one in chosen and other in chosen for one, other in program.conflicts)


def best(program: Program) -> float:
    """Try every set."""
    numbers = range(len(program.indexes) + 1)
    sets = itertools.chain.from_iterable(itertools.combinations(program.indexes, number) for number in numbers)
    return max(value(program, chosen) for chosen in sets if allowed(program, chosen))


def size(program: Program, most: int) -> Capacity:
    return Capacity(needs={each: float(each.size_bytes) for each in program.indexes}, most=most)


def number(program: Program, most: int) -> Capacity:
    return Capacity(needs=dict.fromkeys(program.indexes, 1.0), most=most)


def some(program: Program, most: int) -> Capacity:
    """Limit the number of every second index, as of one table."""
    return Capacity(needs=dict.fromkeys(program.indexes[::2], 1.0), most=most)


def random_program(seed: int, first: int = 1, indexed: int = 9) -> Program:
    """Return one of some indexes and twelve statements, whose plans use one to three of them."""
    chance = random.Random(seed)
    indexes = [index(number, chance.randint(1, 400)) for number in range(first, first + indexed)]
    scale = 10.0 ** chance.randint(-3, 9)
    plans = [
        [
            KnownPlan(
                uses=frozenset(chance.sample(indexes, chance.choice((1, 1, 2, 3)))), saving=chance.random() * scale
            )
            for _ in range(chance.randint(1, 6))
        ]
        for _ in range(12)
    ]
    return Program(
        indexes=indexes,
        plans=plans,
        prices={each: chance.random() * scale / 5 for each in indexes},
        conflicts=[(one, other) for one, other in (chance.sample(indexes, 2) for _ in range(chance.randint(0, 3)))],
    )


@pytest.mark.parametrize("indexed", [4, 9])  # all of whose sets are looked at, and one for the solver
@pytest.mark.parametrize("seed", range(20))
def test_no_set_within_the_limits_is_worth_more(seed: int, indexed: int) -> None:
    program = random_program(seed, indexed=indexed)
    whole = sum(each.size_bytes for each in program.indexes)
    for limited in (
        program,
        replace(program, capacities=[size(program, whole // 3)]),
        replace(program, capacities=[number(program, 2)]),
        replace(program, capacities=[size(program, whole // 2), number(program, 3)]),
        replace(program, capacities=[size(program, whole), some(program, 1)]),
        replace(program, capacities=[some(program, 0)]),
    ):
        found, wanted = solve(limited), best(limited)
        assert allowed(limited, found.chosen)
        assert found.value == pytest.approx(value(limited, found.chosen), rel=1e-6)
        assert wanted * 0.994 <= found.value <= wanted * (1 + 1e-6)
        assert found.bound >= wanted * (1 - 1e-6)
        assert found == solve(limited)


def test_what_nothing_connects_is_chosen_as_if_it_were_alone() -> None:
    alone = [random_program(seed, 1 + 9 * seed) for seed in range(4)]
    together = Program(
        indexes=[each for places in zip(*(one.indexes for one in alone), strict=True) for each in places],
        plans=[plans for statements in zip(*(one.plans for one in alone), strict=True) for plans in statements],
        prices={each: price for one in alone for each, price in one.prices.items()},
        conflicts=[pair for one in alone for pair in one.conflicts],
    )
    found, parts = solve(together), [solve(one) for one in alone]
    assert {*found.chosen} == {each for part in parts for each in part.chosen}
    assert found.chosen == tuple(each for each in together.indexes if each in found.chosen)
    assert found.value == pytest.approx(sum(part.value for part in parts))
    assert found.bound == pytest.approx(sum(part.bound for part in parts))


def test_nothing_fits_and_nothing_saves() -> None:
    one = index(1, pages=2)
    plans = [[KnownPlan(uses=frozenset([one]), saving=5.0)]]
    program = Program(indexes=[one], plans=plans, prices={one: 0.0})
    program = replace(program, capacities=[size(program, BLOCK_BYTES)])
    assert solve(program).chosen == ()
    assert solve(replace(program, capacities=[size(program, 2 * BLOCK_BYTES)])).chosen == (one,)
    assert solve(replace(program, capacities=(), prices={one: 5.5})).chosen == ()
    assert solve(replace(program, plans=[])).bound == 0
