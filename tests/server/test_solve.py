"""No set of the same candidates within a budget is cheaper than the choice, and its bound says so."""

import itertools

import pytest
from psycopg import sql

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.cost import CostModel
from analyzer.advise.limits import Limits
from analyzer.advise.price import shaped_and_priced
from analyzer.advise.select import Selection, select
from analyzer.advise.worth import worth
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import NotExamined
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import TwinIndex, open_twin
from analyzer.workload.parse import parse_file

SETUP = (
    "CREATE TABLE t (a integer, b integer, c integer, d text)",
    "INSERT INTO t SELECT i, i % 5000, i % 300, repeat('x', 40) FROM generate_series(1, 60000) AS i",
    "VACUUM ANALYZE t",
)
QUERIES = "SELECT d FROM t WHERE a = 1; SELECT d FROM t WHERE b = 2; SELECT d FROM t WHERE c = 3"


def on(*columns: str) -> IndexDef:
    return IndexDef(
        schema="public", table="t", name=f"ix_{'_'.join(columns)}", keys=tuple(Key(column=column) for column in columns)
    )


def test_no_set_within_the_budget_is_cheaper_than_the_choice(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in SETUP:
            connection.execute(sql.SQL(statement))
    with open_twin(capture(database, statements=False)) as twin:
        items: list[PricedStatement] = []
        for statement in parse_file(QUERIES).statements:
            _, item = shaped_and_priced(twin, statement)
            assert not isinstance(item, NotExamined)
            items.append(item)
        candidates = twin.add([on("a"), on("b"), on("c"), on("b", "c"), on("c", "b")])
        model = CostModel(twin=twin, statements=items)
        sizes = sorted(index.size_bytes for index in candidates)
        for budget in (sizes[0], sizes[0] + sizes[1], sum(sizes[:3]), sum(sizes)):
            limits = Limits(budget_bytes=budget)
            selection = select(CostModel(twin=twin, statements=items), candidates, limits)
            assert sum(index.size_bytes for index in selection.chosen) <= budget
            best = cheapest(model, candidates, budget)
            assert model.total(frozenset(selection.chosen)) <= best * 1.001
            assert selection.gap is not None
            assert selection.gap < 0.02
            assert selection == select(CostModel(twin=twin, statements=items), candidates, limits)
            assert_consistent(model, selection)


def assert_consistent(model: CostModel, selection: Selection) -> None:
    """Compare what is said of the choice with what it costs."""
    chosen, total = frozenset(selection.chosen), model.total(frozenset())
    proposed = [point for point in selection.frontier if point.is_chosen]
    assert [point.indexes for point in proposed] == [len(chosen)]
    assert proposed[0].cost == pytest.approx(model.total(chosen) / total)
    costs = [point.cost for point in selection.frontier if not point.is_chosen]
    assert costs == sorted(costs, reverse=True)
    for index, found in worth(model, selection.chosen):
        rest = chosen - {index}
        assert found.beside == pytest.approx((model.total(rest) - model.total(chosen)) / total)
        assert found.alone == pytest.approx(1 - model.total(frozenset([index])) / total)
        for each in found.alternatives:
            assert each.index not in chosen
            assert 0 < each.saving <= (model.total(rest) - model.total(rest | {each.index})) / total * 1.001


def cheapest(model: CostModel, candidates: tuple[TwinIndex, ...], budget: int) -> float:
    """Try every set that fits."""
    sets = itertools.chain.from_iterable(itertools.combinations(candidates, n) for n in range(len(candidates) + 1))
    return min(model.total(frozenset(each)) for each in sets if sum(index.size_bytes for index in each) <= budget)
