"""How many (configuration, query) pairs the twin answers in a second, beside HypoPG on a server with rows."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.sql import SQL

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.cost import Configuration, CostModel
from analyzer.advise.price import shaped_and_priced
from analyzer.advise.select import select
from analyzer.db import connect
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import CapabilityError
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render, render_text
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import Asked, Twin, TwinIndex, open_twin
from analyzer.workload.parse import parse_file
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_listed import Probe
from benchmarks.twin_live import DEBIAN_15, TRUSTED, captured, live_server, tell

#: EXPLAIN does not get slower with more rows.
SCALE = 0.1
CANDIDATES = (100, 500, 1500)
WANTED_PER_SECOND, WANTED_RATIO = 3_000, 5
_TABLE = "lineitem"
_SECONDS = 3.0
#: Pairs of candidates that the cost model is asked about, at most, and configurations planned anew to compare.
_PAIRS, _COMPARED = 5_000, 100
#: Small queries of one table, as most of an application's are.
_PROBES = (
    Probe(where="l_orderkey = 39"),
    Probe(where="l_partkey = 1500 AND l_suppkey = 4"),
    Probe(where="l_shipdate = date '1995-06-17' AND l_shipmode = 'AIR'", columns=("l_orderkey", "l_quantity")),
    Probe(where="l_suppkey = 77", order="l_shipdate DESC", limit=10),
    Probe(where="l_receiptdate > date '1998-12-01'", columns=("count(*)",)),
)


def candidates(columns: Sequence[str], number: int) -> list[IndexDef]:
    """Return that many two- and three-column indexes of the table, as an advisor would try them."""
    orders = itertools.chain(itertools.permutations(columns, 2), itertools.permutations(columns, 3))
    return [
        IndexDef(
            schema="public", table=_TABLE, name=f"candidate_{position}", keys=tuple(Key(column=name) for name in names)
        )
        for position, names in enumerate(itertools.islice(orders, number))
    ]


def queries() -> tuple[str, ...]:
    """Return the small queries."""
    return tuple(render_text("bench/probe", table=_TABLE, probe=probe) for probe in _PROBES)


def rate(evaluate: Callable[[int], object]) -> float:
    """Return evaluations per second of a function that is given the number of each."""
    for number in range(100):
        evaluate(number)
    began, done = time.perf_counter(), 0
    while time.perf_counter() < began + _SECONDS:
        for _ in range(50):
            evaluate(done)
            done += 1
    return done / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Pairs planned per second."""

    #: The configuration changes for every query, or for all of them at once.
    one_by_one: float
    together: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """What the cost model answers in a second, most of it from plans it has."""

    #: Every index alone, and pairs of them.
    configurations: float
    #: The advisor's own search.
    search: float
    #: Plans made, and queries answered, for the configurations.
    plans: int
    answered: int
    #: Of `_COMPARED` configurations, those that cost the same to the last digit when they are planned anew.
    same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One planner beside one number of hidden candidates; HypoPG has but the one it makes, and no cost model."""

    planner: str
    planned: Planned
    candidates: int = 0
    #: To add them all.
    seconds: float = 0
    reused: Reused | None = None


def planned(twin: Twin, added: Sequence[TwinIndex]) -> Planned:
    """Measure one index shown at a time."""
    asked = [Asked(text=text, generic=False) for text in queries()]

    def one(turn: int) -> None:
        twin.show([added[turn * 7 % len(added)]])
        twin.plan_all((asked[turn % len(asked)],))

    def every(turn: int) -> None:
        twin.show([added[turn * 7 % len(added)]])
        twin.plan_all(asked)

    return Planned(one_by_one=rate(one), together=rate(every) * len(asked))


def reused(twin: Twin, added: Sequence[TwinIndex]) -> Reused:
    """Measure the cost model."""
    statements = tuple(_priced(twin))
    search = CostModel(twin=twin, statements=statements, candidates=frozenset(added))
    began = time.perf_counter()
    select(search, added)
    searched = search.answered / (time.perf_counter() - began)
    model = CostModel(twin=twin, statements=statements, candidates=frozenset(added))
    configurations = _configurations(added)
    began = time.perf_counter()
    costs = [model.total(each) for each in configurations]
    seconds = time.perf_counter() - began
    chance = random.Random(1)
    compared = chance.sample(range(len(configurations)), min(_COMPARED, len(configurations)))
    anew = (CostModel(twin=twin, statements=statements).total(configurations[place]) for place in compared)
    return Reused(
        configurations=model.answered / seconds,
        search=searched,
        plans=model.questions,
        answered=model.answered,
        same=sum(costs[place] == cost for place, cost in zip(compared, anew, strict=True)),
    )


def _priced(twin: Twin) -> Iterator[PricedStatement]:
    for statement in parse_file(";\n".join(queries())).statements:
        _, item = shaped_and_priced(twin, statement)
        assert not isinstance(item, NotExamined)  # noqa: S101 - they were written for this
        yield item


def _configurations(added: Sequence[TwinIndex]) -> list[Configuration]:
    pairs = list(itertools.combinations(added, 2))
    chosen = random.Random(0).sample(pairs, min(_PAIRS, len(pairs)))
    return [frozenset(each) for each in (*((index,) for index in added), *chosen)]


def hypopg_rate(url: str, columns: Sequence[str]) -> Planned:
    """Measure HypoPG: one hypothetical index made, then queries planned, in one round trip as on the twin."""
    indexes = [render("bench/hypopg_show", ddl=index.ddl()) for index in candidates(columns, CANDIDATES[0])]
    asked = [render("twin/explain", statement=text, generic=False, verbose=False) for text in queries()]
    with connect(url, autocommit=True) as connection:
        connection.execute(render("bench/create_extension", extension="hypopg"))

        def plan(turn: int, statements: Sequence[SQL]) -> None:
            index = indexes[turn * 7 % len(indexes)]
            cursor = connection.execute(SQL("\n;\n").join((index, *statements)), prepare=False)
            while cursor.nextset():
                cursor.fetchone()

        return Planned(
            one_by_one=rate(lambda turn: plan(turn, (asked[turn % len(asked)],))),
            together=rate(lambda turn: plan(turn, asked)) * len(asked),
        )


def section(server: Cluster, scale: float, directory: Path) -> Section:
    """Measure the rates on both servers and render them."""
    suite = tpc.read_suite("tpch")
    tpc.loaded(server, suite, scale, tell)
    found, missing = list(_of_twin(server, scale)), ""
    try:
        with live_server(directory, bin_dir=DEBIAN_15) as older:
            url = tpc.loaded(older, suite, scale, tell)
            tell("rate: HypoPG")
            lineitem = next(table for table in suite.tables if table.name == _TABLE)
            if "hypopg" in older.binaries.extensions():
                rates = hypopg_rate(url, [column.name for column in lineitem.columns])
                found.append(Measured(planner=f"HypoPG on PostgreSQL {older.version}", planned=rates))
            else:
                missing = "\n\nHypoPG: not measured (it is not installed; apt-get install postgresql-15-hypopg)."
            found += _of_twin(older, scale)
    except CapabilityError as error:
        missing = f"\n\nHypoPG: not measured ({error})."
    header = (
        "planner",
        "hidden candidates on the table:",
        "to add them:",
        "planned again, one by one:",
        "planned again, together:",
        "configurations:",
        "plans for them:",
        "planned again, the same:",
        "search:",
    )
    text = f"{_HEAD}\n\n{render_table(header, map(_row, found))}{missing}"
    return Section(text=text, targets=tuple(_targets(found)))


_HEAD = f"""## Evaluations: (configuration, query) pairs a second

{len(_PROBES)} small queries of {_TABLE}, one connection, on which one process waits: one core in all.

- *Planned again*: one of the candidates is shown, the others are hidden, and the planner is asked. *One by one* the
  configuration changes for every query; *together* it changes once for the {len(_PROBES)} of them. Either is one round
  trip, on HypoPG too. Wanted are {WANTED_PER_SECOND:,} beside {CANDIDATES[0]} candidates.
- *Configurations* is the cost model, as the advisor uses it: the costs of every query under every candidate alone, and
  under pairs of them (all, or {_PAIRS:,}). No plan is made where an earlier one is known to hold. {_COMPARED} of the
  configurations are also planned again: how many of them cost the same to the last digit. Wanted is
  {WANTED_RATIO} times the rate of HypoPG, which plans every pair; a program that remembers could do so there as well.
- *Search* is the advisor's own search over the candidates, in queries priced a second."""


def _of_twin(server: Cluster, scale: float) -> Iterator[Measured]:
    snapshot = captured(server, f"tpch_{scale:g}")
    relation = snapshot.relation("public", _TABLE)
    assert relation is not None  # noqa: S101 - it was loaded
    for number in CANDIDATES:
        tell(f"rate: twin of {server.version} with {number} candidates")
        with open_twin(snapshot, wanted=TRUSTED) as twin:
            began = time.perf_counter()
            added = twin.add(candidates([column.name for column in relation.columns], number))
            seconds = time.perf_counter() - began
            yield Measured(
                planner=twin.planner,
                candidates=number,
                seconds=seconds,
                planned=planned(twin, added),
                reused=reused(twin, added),
            )


def _row(found: Measured) -> tuple[str, ...]:
    rates = (f"{found.planned.one_by_one:,.0f}", f"{found.planned.together:,.0f}")
    model = found.reused
    if model is None:
        return (found.planner, "", "", *rates, "", "", "", "")
    return (
        found.planner,
        str(found.candidates),
        f"{found.seconds:.1f} s",
        *rates,
        f"{model.configurations:,.0f}",
        f"{model.plans:,} for {model.answered:,}",
        f"{model.same} of {_COMPARED}",
        f"{model.search:,.0f}",
    )


def _targets(found: Sequence[Measured]) -> Iterator[Target]:
    few = [each for each in found if each.candidates == CANDIDATES[0]]
    fastest = max(few[0].planned.one_by_one, few[0].planned.together)
    yield Target(
        name=f"evaluations planned again beside {CANDIDATES[0]} candidates",
        wanted=f"≥ {WANTED_PER_SECOND:,} a second",
        measured=f"{few[0].planned.one_by_one:,.0f} one by one, {few[0].planned.together:,.0f} together",
        met=fastest >= WANTED_PER_SECOND,
    )
    hypopg = next((each for each in found if each.reused is None), None)
    beside = few[-1].reused
    ratios: tuple[float, ...] = ()
    if hypopg and beside:
        ratios = tuple(beside.configurations / each for each in (hypopg.planned.one_by_one, hypopg.planned.together))
    yield Target(
        name="configurations answered, against HypoPG planning them one by one and together, on the same server",
        wanted=f"≥ {WANTED_RATIO} times",
        measured=" and ".join(f"{ratio:.1f}" for ratio in ratios) + " times" if ratios else "not measured",
        met=min(ratios, default=0) >= WANTED_RATIO,
    )
