"""Random schedules of deploys: `make fuzz-deploy SECONDS=600`, and `make fuzz-deploy SEED=N` for one of them alone.

TWINDEX_FUZZ_SEED is the first seed; without TWINDEX_FUZZ_DEPLOY_SECONDS no other follows.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from analyzer.db import connect
from tests.server.deploy_mutants import MUTANTS
from tests.server.deploy_schedules import SCHEMAS, Schedule
from tests.server.deploys import Host
from tests.server.servers import VERSIONS, server_of

pytestmark = pytest.mark.slow

SEED = os.environ.get("TWINDEX_FUZZ_SEED")
SECONDS = os.environ.get("TWINDEX_FUZZ_DEPLOY_SECONDS") or None
#: In the ordinary slow suite.
SCHEDULES = 15
#: A mutant has to be caught by one of so many.
MOST_SCHEDULES = 25

Run = Callable[..., list[str]]


@pytest.fixture(scope="module", params=VERSIONS[:1])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Carry out schedules on copies of databases that are made once."""
    with server_of(request) as server, contextlib.ExitStack() as stack:
        host, templates = Host(url=server), dict[str, str]()

        def template(kind: str) -> str:
            if kind not in templates:
                url = stack.enter_context(host.database())
                with connect(url, autocommit=True) as connection:
                    for statement in filter(str.strip, SCHEMAS[kind].split(";\n")):
                        connection.execute(statement.encode())
                templates[kind] = str(conninfo_to_dict(url)["dbname"])
            return templates[kind]

        def carry_out(seed: int, mutant: str | None = None) -> list[str]:
            schedule = Schedule(seed)
            directory = tmp_path_factory.mktemp("schedule")
            return schedule.run(host, template(schedule.kind), directory, mutant=mutant)

        yield carry_out


def test_every_schedule_ends_with_what_was_wanted_and_nobody_waits_too_long(run: Run) -> None:
    first = int(SEED) if SEED is not None else 1
    deadline = None if SECONDS is None else time.monotonic() + float(SECONDS)
    most = None if deadline is not None else SCHEDULES if SEED is None else 1
    failures: list[str] = []
    for number, seed in enumerate(itertools.count(first)):
        if number == most or (deadline is not None and time.monotonic() > deadline):
            print(f"{number} schedules, {len(failures)} failures")
            break
        print(f"seed {seed}", flush=True)
        failures.extend(f"seed {seed}: {each}" for each in run(seed))
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_of_the_executor_is_caught(run: Run, mutant: str) -> None:
    assert any(run(seed, mutant) for seed in range(1, MOST_SCHEDULES + 1))
