"""A deploy may die at any of its statements, and inside those that wait: one rerun ends with what was wanted.

The client dies by SIGKILL, its backend by pg_terminate_backend, the server by an immediate stop. The points are the
statements of an undisturbed deploy, each reached by counting, and the waits of concurrent statements, each reached by
a transaction that holds it up.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from signal import SIGKILL, SIGQUIT

import pytest
from alembic import op

from analyzer.db import connect
from analyzer.twin.server import cluster, postmaster
from tests.server.deploy_events import How, Orders, await_, plan_of, terminate
from tests.server.deploys import (
    PARTITIONED,
    ROWS,
    Deploy,
    Event,
    Host,
    Inside,
    Outcome,
    Scenario,
    Stuck,
    Wait,
    deploy_of,
    ended,
    led_into,
    prepared,
)
from tests.server.servers import DEBIAN_15, VERSIONS
from tests.server.spec_project import SCHEMA, Fact, SpecProject

pytestmark = pytest.mark.slow

#: An immediate stop shows what reached the disk.
SETTINGS = {"autovacuum": "off", "fsync": "on", "jit": "off", "shared_buffers": "64MB", "max_wal_size": "4GB"}
_WRITER = "BEGIN; UPDATE {table} SET s = 'w' WHERE id = {row}"
#: Without a snapshot once its statement is over, as READ COMMITTED is.
_READER = "BEGIN; SELECT a FROM {table} WHERE a = 7"
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT a FROM other"
_EXISTS = "EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid >= 16384 AND {})"
_MARKED = _EXISTS.format("i.indislive AND NOT i.indisvalid")
_DEAD = _EXISTS.format("NOT i.indislive")


def building(statement: str, table: str) -> tuple[Inside, ...]:
    """Return the waits of a concurrent build."""
    waits = tuple(
        Wait(
            holder=_WRITER.format(table=table, row=row), statement=statement, phase=f"waiting for writers before {what}"
        )
        for row, what in ((1, "build"), (2, "validation"))
    )
    snapshot = Wait(holder=_SNAPSHOT, statement=statement, phase="waiting for old snapshots")
    return (
        Inside(name="before the build", waits=waits[:1]),
        Inside(name="before the validation", waits=waits),
        Inside(name="after the validation", waits=(snapshot,)),
    )


def dropping(table: str, statement: str = "^DROP INDEX CONCURRENTLY") -> tuple[Inside, ...]:
    """Return the waits of a concurrent drop."""
    marked = Wait(holder=_READER.format(table=table), statement=statement, catalog=_MARKED)
    dead = replace(marked, catalog=_DEAD)
    return (
        Inside(name="marked invalid", waits=(marked,)),
        Inside(name="marked dead", waits=(marked, dead)),
    )


def swapping(table: str) -> tuple[Inside, ...]:
    """Return the last two waits of REINDEX CONCURRENTLY, after the new index has taken the name."""
    statement = "^REINDEX"
    marking = Wait(
        holder=_READER.format(table=table), statement=statement, phase="waiting for readers before marking dead"
    )
    return (
        Inside(name="swapped", waits=(marking,)),
        Inside(name="marked dead", waits=(marking, replace(marking, phase="waiting for readers before dropping"))),
    )


def renaming(index: str) -> Inside:
    """Return the wait of a renaming for the lock of its index."""
    holder = f"BEGIN; COMMENT ON INDEX {index} IS 'held'"
    return Inside(name="before the lock", waits=(Wait(holder=holder, statement="^ALTER INDEX .* RENAME"),))


_CREATE = "^CREATE INDEX CONCURRENTLY"
_LOCKED = "BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE"
_REINDEX = """op.reindex_index(
        "ix_a", "t", schema="public", lock_timeout="10min", attributes=("COMMENT ON INDEX ix_a IS 'wanted'",)
    )"""
_A = "SELECT b FROM t WHERE a = 7"
SCENARIOS = (
    Scenario(
        name="build", schema=SCHEMA + ROWS, table="t",
        before="",
        after="{name: ix_a, keys: [a], where: b > 1, comment: wanted}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON public.t USING btree (a) WHERE (b > 1)", "wanted")},
        inside=building(_CREATE, "t"),
    ),
    Scenario(
        name="replace", schema=SCHEMA + ROWS, table="t",
        before="{name: ix_a, keys: [a], comment: before}",
        after="{name: ix_a, keys: [a], include: [b], comment: wanted}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON public.t USING btree (a) INCLUDE (b)", "wanted")},
        question=_A,
        inside=(*building(_CREATE, "t"), renaming("ix_a"), *dropping("t")),
    ),
    Scenario(
        name="drop", schema=SCHEMA + ROWS, table="t",
        before="{name: ix_a, keys: [a]}\n{name: ix_b, keys: [b]}",
        after="{name: ix_a, keys: [a]}\n{name: ix_b, keys: [b], state: retired}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON public.t USING btree (a)", None)},
        question=_A,
        inside=dropping("t"),
    ),
    Scenario(
        name="rename", schema=SCHEMA + ROWS, table="t",
        before="{name: ix_old, keys: [a]}",
        after="{name: ix_a, keys: [a], comment: wanted}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON public.t USING btree (a)", "wanted")},
        question=_A,
        inside=(renaming("ix_old"),),
    ),
    Scenario(
        name="reindex", schema=SCHEMA + ROWS, table="t",
        before="{name: ix_a, keys: [a]}",
        after="",
        body=_REINDEX,
        wanted={"ix_a": ("CREATE INDEX ix_a ON public.t USING btree (a)", "wanted")},
        question=_A,
        inside=(*building("^REINDEX", "t"), *swapping("t")),
    ),
    Scenario(
        name="statistics", schema=SCHEMA + ROWS, table="t",
        before="",
        after="",
        statistics=(
            "{name: st_other, columns: [a, b]}\n{name: st_old, columns: [b, d]}\n{name: st_gone, columns: [a, d]}",
            """
            {name: st_other, columns: [a, b, s], target: 7}
            {name: st_renamed, columns: [b, d], target: 9}
            {name: st_gone, columns: [a, d], state: retired}
            {name: st_new, expressions: [a + b], target: 50}
            """,
        ),
        wanted={
            "statistics st_new": ("CREATE STATISTICS public.st_new ON (a + b) FROM t", None),
            "statistics st_other": ("CREATE STATISTICS public.st_other ON a, b, s FROM t", None),
            "statistics st_renamed": ("CREATE STATISTICS public.st_renamed ON b, d FROM t", None),
        },
        inside=(
            Inside(name="before the lock", waits=(Wait(holder=_LOCKED, statement="^CREATE STATISTICS"),)),
        ),
    ),
    Scenario(
        name="partitioned", schema=SCHEMA + PARTITIONED, table="p",
        before="{name: ix_other, keys: [id]}",
        after="{name: ix_other, keys: [id]}\n{name: ix_a, keys: [a], comment: wanted}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON ONLY public.p USING btree (a)", "wanted")},
        question="SELECT s FROM p WHERE id = 7",
        inside=building(_CREATE, "p_2"),
    ),
    Scenario(
        name="replace partitioned", schema=SCHEMA + PARTITIONED, table="p",
        before="{name: ix_a, keys: [a]}\n{name: ix_other, keys: [id]}",
        after="{name: ix_a, keys: [a], include: [k], comment: wanted}\n{name: ix_other, keys: [id]}",
        wanted={"ix_a": ("CREATE INDEX ix_a ON ONLY public.p USING btree (a) INCLUDE (k)", "wanted")},
        question="SELECT s FROM p WHERE a = 7",
    ),
)  # fmt: skip
HOWS: tuple[How, ...] = ("client", "backend", "server")
#: The parts of a partitioned replacement die in each way as those of a build; the rest of it once is enough.
CASES = tuple((scenario, how) for scenario, how in itertools.product(SCENARIOS, HOWS)
              if scenario.inside or how == "client")  # fmt: skip
#: On the older version: where it differs, or where most can go wrong.
OLDER = tuple((scenario, how) for scenario, how in itertools.product(SCENARIOS, HOWS) if (scenario.name, how) in {
    ("replace", "backend"), ("reindex", "backend"), ("partitioned", "client"),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rehearsed:
    """A scenario and how it goes undisturbed."""

    scenario: Scenario
    host: Host
    project: SpecProject
    events: tuple[Event, ...]
    facts: dict[str, Fact]
    tree: tuple[tuple[str, str, bool], ...]


Rehearse = Callable[[Scenario], Rehearsed]


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A server of our own, to stop."""
    if request.param != VERSIONS[0] and not DEBIAN_15.is_dir():
        pytest.skip("apt-get install postgresql-15 postgresql-contrib to run this on PostgreSQL 15")
    binaries = None if request.param == VERSIONS[0] else cluster.find_binaries(DEBIAN_15)
    with cluster.temporary(binaries, settings=SETTINGS) as running:
        yield Host(url=running.url(), cluster=running)


@pytest.fixture(scope="module")
def rehearse(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearse]:
    """Deploy a scenario undisturbed, once."""
    known: dict[str, Rehearsed] = {}
    with contextlib.ExitStack() as stack:

        def rehearsal(scenario: Scenario) -> Rehearsed:
            if scenario.body is not None and not hasattr(op, scenario.body.removeprefix("op.").partition("(")[0]):
                pytest.skip(f"there is no {scenario.body.partition('(')[0]}")
            if scenario.name not in known:
                directory = tmp_path_factory.mktemp("rehearsal") / scenario.name
                project = stack.enter_context(prepared(scenario, host, directory))
                with deploy_of(project, host) as deploy:
                    events = deploy.record(scenario.question)
                    known[scenario.name] = Rehearsed(
                        scenario=scenario, host=host, project=project, events=events,
                        facts=deploy.facts(), tree=deploy.tree(),
                    )  # fmt: skip
            return known[scenario.name]

        yield rehearsal


@pytest.mark.parametrize("host", VERSIONS, indirect=True)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_undisturbed_it_ends_with_what_was_wanted(rehearse: Rehearse, scenario: Scenario) -> None:
    rehearsed = rehearse(scenario)
    found = {name: (fact.ddl, fact.comment) for name, fact in rehearsed.facts.items()}
    assert scenario.wanted.items() <= found.items()
    if scenario.table == "t":
        assert found.keys() == scenario.wanted.keys()
    else:
        children = [(name, parent) for name, parent, _whole in rehearsed.tree if parent]
        assert len(children) == 5 * 2
    assert all(whole for _name, _parent, whole in rehearsed.tree)
    for event in rehearsed.events:
        assert event.plan is None or "Seq Scan" not in event.plan, event
        print(f"{scenario.name:12} {event.statement[:100]}")


@pytest.mark.parametrize("host", VERSIONS[:1], indirect=True)
def test_there_are_points_enough(rehearse: Rehearse) -> None:
    statements = waits = 0
    for scenario in SCENARIOS:
        if scenario.body is None or hasattr(op, scenario.body.removeprefix("op.").partition("(")[0]):
            statements += len(rehearse(scenario).events)
            waits += len(scenario.inside)
    print(f"{statements} statements and {waits} waits, each died at in {len(HOWS)} ways")
    assert statements + waits >= 40


@pytest.mark.parametrize("host", VERSIONS[:1], indirect=True)
@pytest.mark.parametrize(("scenario", "how"), CASES, ids=[f"{scenario.name}-{how}" for scenario, how in CASES])
def test_one_rerun_after_a_death_ends_with_what_was_wanted(
    rehearse: Rehearse, scenario: Scenario, how: How, subtests: pytest.Subtests
) -> None:
    die_everywhere(rehearse, scenario, how, subtests)


@pytest.mark.parametrize("host", VERSIONS[1:], indirect=True)
@pytest.mark.parametrize(("scenario", "how"), OLDER, ids=[f"{scenario.name}-{how}" for scenario, how in OLDER])
def test_on_an_older_version_as_well(
    rehearse: Rehearse, scenario: Scenario, how: How, subtests: pytest.Subtests
) -> None:
    die_everywhere(rehearse, scenario, how, subtests)


def die_everywhere(rehearse: Rehearse, scenario: Scenario, how: How, subtests: pytest.Subtests) -> None:
    """Die at each point of a scenario in turn, every time on a fresh copy of its database."""
    rehearsed = rehearse(scenario)
    for at, event in enumerate(rehearsed.events):
        point = f"{scenario.name} {how} before {at} {event.statement[:60]}"
        with subtests.test(point), deploy_of(rehearsed.project, rehearsed.host) as deploy:
            die_before(rehearsed, deploy, at, how, point)
    for inside in scenario.inside:
        point = f"{scenario.name} {how} inside {inside.waits[-1].statement} {inside.name}"
        with subtests.test(point), deploy_of(rehearsed.project, rehearsed.host) as deploy:
            die_inside(rehearsed, deploy, inside, how, point)


def die_before(rehearsed: Rehearsed, deploy: Deploy, at: int, how: How, point: str) -> None:
    """Die before a statement, and run it again."""
    data = None if rehearsed.host.cluster is None else str(rehearsed.host.cluster.data)
    outcome = deploy.run(Orders(url=deploy.url, at=at, how=how, data=data))
    rehearsed.host.restart()
    if outcome.status == 0:
        # All was done; what could not be given back is the lock, which is gone with its session.
        assert (at, deploy.at_head()) == (len(rehearsed.events) - 1, True), outcome.output
    else:
        assert_died(outcome, how)
    assert_usable(rehearsed, deploy)
    deploy.again()
    assert_mended(rehearsed, deploy, point)


def die_inside(rehearsed: Rehearsed, deploy: Deploy, inside: Inside, how: How, point: str) -> None:
    """Die while a statement waits, and run it again."""
    with led_into(deploy, inside.waits) as stuck:
        assert_usable(rehearsed, deploy)
        kill(rehearsed.host, deploy, stuck, how)
        outcome = ended(stuck.process)
        assert_died(outcome, how)
        rehearsed.host.restart()
        assert_usable(rehearsed, deploy)
        if how == "client":
            # Its backend does not know yet, and goes on once it may: the rerun comes upon it at work.
            before = backends(deploy.url)
            again = deploy.start()
            await_(lambda: bool(backends(deploy.url) - before) or again.poll() is not None)
            time.sleep(0.5)
            stuck.holder.close()
        else:
            stuck.holder.close()
            again = deploy.start()
        rerun = ended(again)
        assert rerun.status == 0, rerun.output
        assert_mended(rehearsed, deploy, point)


def assert_died(outcome: Outcome, how: How) -> None:
    """See that a deploy ended, not well, and where it could still say so in one line."""
    if how == "client":
        assert outcome.status == -SIGKILL, outcome.output
        return
    assert outcome.status == 255, outcome.output
    assert "Traceback" not in outcome.output, outcome.output
    last = outcome.output.strip().splitlines()[-1]
    assert last.startswith("FAILED: "), outcome.output
    assert "run alembic" in last, outcome.output


def kill(host: Host, deploy: Deploy, stuck: Stuck, how: How) -> None:
    """End one of the three."""
    match how:
        case "client":
            stuck.process.kill()
        case "backend":
            terminate(deploy.url, stuck.pid)
        case "server":
            assert host.cluster is not None
            postmaster.stop(host.cluster.data, SIGQUIT)


def backends(url: str) -> set[int]:
    """Read who is connected to a database."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() "
            "AND pid <> pg_catalog.pg_backend_pid() ORDER BY 1"
        ).fetchall()
    return {row["pid"] for row in rows}


def assert_usable(rehearsed: Rehearsed, deploy: Deploy) -> None:
    """See that queries have an index, the old one or the new one."""
    if rehearsed.scenario.question is not None:
        assert "Seq Scan" not in plan_of(deploy.url, rehearsed.scenario.question)


def assert_mended(rehearsed: Rehearsed, deploy: Deploy, point: str) -> None:
    """See that all is as if nobody had died."""
    assert deploy.at_head()
    assert deploy.facts() == rehearsed.facts
    assert deploy.tree() == rehearsed.tree
    with connect(deploy.url) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_catalog.pg_class WHERE relname ~ '_cc(new|old)|twindex' ORDER BY 1"
        ).fetchall()
    assert left == []
    print(point)
