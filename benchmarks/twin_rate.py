"""How many (configuration, query) pairs the twin answers in a second, beside HypoPG on a server with rows."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.db import connect
from analyzer.errors import CapabilityError
from analyzer.index import IndexDef, Key
from analyzer.sql import render, render_text
from analyzer.twin.cluster import Cluster
from analyzer.twin.planner import Twin, open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.twin_compare import explain
from benchmarks.twin_listed import Probe
from benchmarks.twin_live import captured, live_server, tell

#: EXPLAIN does not get slower with more rows.
SCALE = 0.1
CANDIDATES = (100, 500, 1500)
WANTED_PER_SECOND, WANTED_RATIO = 3_000, 5
_TABLE = "lineitem"
_DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_SECONDS = 3.0
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
class TwinRate:
    """What a twin does in a second with so many hidden candidates on the table."""

    evaluations: float
    #: Plans alone, under one configuration, and changes of the configuration alone.
    plans: float
    shows: float
    seconds_to_add: float


def twin_rate(twin: Twin, number: int) -> TwinRate:
    """Add that many candidates and measure."""
    relation = twin.snapshot.relation("public", _TABLE)
    assert relation is not None  # noqa: S101 - it was loaded
    indexes = candidates([column.name for column in relation.columns], number)
    began = time.perf_counter()
    added = twin.add(indexes)
    seconds = time.perf_counter() - began
    asked = queries()

    def show(turn: int) -> None:
        twin.show([added[turn * 7 % number]])

    def plan(turn: int) -> None:
        twin.plan(asked[turn % len(asked)], generic=False)

    def evaluate(turn: int) -> None:
        show(turn)
        plan(turn)

    return TwinRate(evaluations=rate(evaluate), plans=rate(plan), shows=rate(show), seconds_to_add=seconds)


def hypopg_rate(url: str, columns: Sequence[str]) -> float:
    """Return evaluations per second of HypoPG: one hypothetical index made, one query planned."""
    indexes = [index.ddl() for index in candidates(columns, CANDIDATES[0])]
    asked = queries()
    with connect(url, autocommit=True) as connection:
        connection.execute(render("bench/create_extension", extension="hypopg"))
        show = render("bench/hypopg_show")

        def evaluate(turn: int) -> None:
            connection.execute(show, {"ddl": indexes[turn * 7 % len(indexes)]})
            explain(connection, asked[turn % len(asked)])

        return rate(evaluate)


def section(server: Cluster, scale: float = SCALE) -> str:
    """Measure the rates and render them."""
    suite = tpc.read_suite("tpch")
    tpc.loaded(server, suite, scale, tell)
    rows = list(_twin_rows(server, scale, "live 18, twin 18"))
    rows += _beside_hypopg(suite, scale)
    header = (
        "planner",
        "hidden candidates on the table:",
        "to add them:",
        "plans alone:",
        "changes alone:",
        "evaluations a second:",
        "wanted:",
    )
    return (
        "## Evaluations: one index shown, one small query planned, one core\n\n"
        f"{len(_PROBES)} queries of {_TABLE}, one connection. Wanted is {WANTED_RATIO} times HypoPG's rate besides."
        f"\n\n{render_table(header, rows)}"
    )


def _twin_rows(server: Cluster, scale: float, name: str) -> Iterator[tuple[str, ...]]:
    snapshot = captured(server, f"tpch_{scale:g}")
    for number in CANDIDATES:
        tell(f"rate: {name} with {number} candidates")
        with open_twin(snapshot) as twin:
            found = twin_rate(twin, number)
        wanted = f"{WANTED_PER_SECOND:,}" if number == CANDIDATES[0] else ""
        figures = (f"{each:,.0f}" for each in (found.plans, found.shows, found.evaluations))
        yield twin.planner, str(number), f"{found.seconds_to_add:.1f} s", *figures, wanted


def _beside_hypopg(suite: tpc.Suite, scale: float) -> Iterator[tuple[str, ...]]:
    """Measure HypoPG on Debian's 15, where it is installed, and the twin of that server."""
    try:
        with live_server(bin_dir=_DEBIAN_15) as server:
            url = tpc.loaded(server, suite, scale, tell)
            lineitem = next(table for table in suite.tables if table.name == _TABLE)
            tell("rate: HypoPG")
            hypopg = hypopg_rate(url, [column.name for column in lineitem.columns])
            yield f"HypoPG on PostgreSQL {server.binaries.version}", "", "", "", "", f"{hypopg:,.0f}", ""
            yield from _twin_rows(server, scale, "live 15")
    except CapabilityError as error:
        yield f"HypoPG: not measured ({error})", *[""] * 6
