"""What leaving the values out costs in fidelity.

The reference platform works; it is captured with values and without, by the documented role. Both snapshots' twins plan
every recorded statement and make proposals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import make_conninfo

from analyzer.advise.proposal import Advice, propose
from analyzer.advise.whatif import Trial, try_indexes
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.demo import data, workload
from analyzer.demo.rows import FAST, Scale
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import render
from analyzer.twin.server import cluster
from analyzer.twin.twin import PlanTree, open_twin
from analyzer.workload.parse import parse_statements
from benchmarks.platform_indexes import migrate
from benchmarks.setting import render_table
from benchmarks.targets import Section
from benchmarks.twin_live import TRUSTED, tell

_DATABASE, _ROLE, _SEED = "platform", "twindex_reader", 1
_SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "fsync": "off", "autovacuum": "off", "jit": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one snapshot's twin says."""

    #: By the statement's id.
    trials: Mapping[str, Trial]
    advice: Advice


def section(scale: Scale = FAST) -> Section:
    """Measure on the reference platform and render it."""
    with cluster.temporary(settings=_SETTINGS) as server:
        server.ensure_database(_DATABASE)
        url = server.url(_DATABASE)
        _work(url, scale)
        reader = make_conninfo(url, user=_ROLE)
        tell("no values: capture")
        snapshots = [capture(reader, values=values) for values in (True, False)]
    tell("no values: twins")
    whole, stripped = (_answers(snapshot) for snapshot in snapshots)
    return Section(text=_text(whole, stripped), targets=())


def _work(url: str, scale: Scale) -> None:
    tell("no values: platform")
    migrate(url)
    with connect(url, autocommit=True) as connection:
        connection.execute(render("demo/create_reader", role=_ROLE))
    with connect(url) as connection:
        data.load(connection, scale=scale, seed=_SEED, progress=lambda _table, _done, _total: None)
    workload.run(url, scale=scale, seed=_SEED, count=workload.COUNTS[scale])
    with connect(url, autocommit=True) as connection:
        data.settle(connection)


def _answers(snapshot: Snapshot) -> Answers:
    parsed = parse_statements(snapshot)
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        trials = try_indexes(twin, parsed.statements)
        twin.show(())
        return Answers(trials={trial.id: trial for trial in trials}, advice=propose(twin, parsed))


def _text(whole: Answers, stripped: Answers) -> str:
    pairs = [
        (trial, stripped.trials[key])
        for key, trial in whole.trials.items()
        if trial.plan_before is not None and key in stripped.trials and stripped.trials[key].plan_before is not None
    ]
    proposed = [{proposal.built.index for proposal in answers.advice.proposals} for answers in (whole, stripped)]
    count = len(pairs)
    planned = sum(trial.plan_before is not None for trial in whole.trials.values())
    rows = [
        ("planned without values too", f"{count} of {planned}"),
        ("same plan, parameters unknown", _share(count, _count(pairs, _same_plan))),
        ("cost within 1 %, parameters unknown", _share(count, _count(pairs, _generic_cost(1.01)))),
        ("cost within 10 %, parameters unknown", _share(count, _count(pairs, _generic_cost(1.1)))),
        ("cost within 10 %, parameters drawn from the values where there are some", _share(count, _priced(pairs, 1.1))),
        ("cost within a factor of 2, likewise", _share(count, _priced(pairs, 2))),
        ("proposals found again", f"{len(proposed[0] & proposed[1])} of {len(proposed[0])}"),
        ("proposals made without values alone", str(len(proposed[1] - proposed[0]))),
    ]
    table = render_table(("statements of the reference platform", "without values:"), rows)
    return f"## Without values\n\n{_HEAD}\n\n{table}"


_HEAD = """What `twindex capture --no-values` costs: the platform of `make demo FAST=1` works, and is captured with its
values and without. Both twins plan every recorded statement and make proposals."""


def _count(pairs: Sequence[tuple[Trial, Trial]], test: Callable[[Trial, Trial], bool]) -> int:
    return sum(test(one, other) for one, other in pairs)


def _share(count: int, number: int) -> str:
    return f"{number} of {count} ({100 * number / max(1, count):.0f} %)"


def _same_plan(one: Trial, other: Trial) -> bool:
    return _outline(one.plan_before.tree if one.plan_before else {}) == _outline(
        other.plan_before.tree if other.plan_before else {}
    )


def _outline(tree: PlanTree) -> tuple[Any, ...]:
    nodes = tuple(_outline(child) for child in tree.get("Plans", ()))
    return (tree.get("Node Type"), tree.get("Index Name"), tree.get("Relation Name"), nodes)


def _generic_cost(factor: float) -> Callable[[Trial, Trial], bool]:
    return lambda one, other: (
        one.plan_before is not None
        and other.plan_before is not None
        and _near(one.plan_before.cost, other.plan_before.cost, factor)
    )


def _priced(pairs: Sequence[tuple[Trial, Trial]], factor: float) -> int:
    return _count(pairs, lambda one, other: _near(one.cost_before or 0, other.cost_before or 0, factor))


def _near(one: float, other: float, factor: float) -> bool:
    least, most = sorted((one, other))
    return most <= least * factor
