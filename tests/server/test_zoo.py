"""Databases that nobody wrote by hand keep the laws, whatever PostgreSQL lets one make.

A zoo is grown from a seed: `make zoo SEED=N` grows that one again, and then smaller ones that break the same law.
"""

import contextlib
import os
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from analyzer.db import connect
from tests.server.capture_zoo import new_role, run
from tests.server.servers import VERSIONS, server_of
from tests.server.zoo.inventory import Inventory, take_inventory
from tests.server.zoo.laws import breaches, catalogs
from tests.server.zoo.schemas import Zoo, build, copied, template, zoos
from tests.server.zoo.statements import read_surface, statements

#: How long zoos are grown, each from the next seed; the same few ones unless it is set, whatever the machine.
SECONDS = os.environ.get("TWINDEX_ZOO_SECONDS")
SEEDS = 8
#: `make zoo` begins with another.
SEED = int(os.environ.get("TWINDEX_ZOO_SEED", "1"))
UNHURRIED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
#: Breaches that are known, and why they are left.
KNOWN = {
    r"planned otherwise: .*\Wordered[_.% ]": "extremes are not read through an index of another operator class than "
    "the default one, even if its family has the default's operators",
}
#: Statements about each zoo.
_STATEMENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where zoos are built."""

    server: str
    #: Database that each zoo begins as a copy of.
    original: str
    #: Role that row security applies to.
    application: str
    inventory: Inventory


@pytest.fixture(scope="module", params=VERSIONS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with (
        server_of(request) as server,
        template(server) as original,
        new_role(original, "pg_read_all_data", "pg_write_all_data") as application,
    ):
        with connect(original) as connection:
            inventory = take_inventory(connection)
        yield Ground(server=server, original=original, application=application, inventory=inventory)


@contextlib.contextmanager
def built(ground: Ground, zoo: Zoo) -> Generator[tuple[str, dict[str, str]]]:
    """Build a zoo; yield its database, and what the server refused of it."""
    with copied(ground.server, ground.original) as url:
        yield url, build(url, zoo)


def grow_and_examine(ground: Ground, number: int, *, examples: int, shrink: bool = False) -> None:
    """Grow zoos from a seed, and make sure that each keeps the laws."""

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=UNHURRIED,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,), print_blob=False,
    )  # fmt: skip
    @given(data=st.data())
    def keeps_the_laws(data: st.DataObject) -> None:
        zoo = data.draw(zoos(ground.inventory), label="zoo")
        with built(ground, zoo) as (url, refused):
            with connect(url) as connection:
                asked = data.draw(
                    statements(read_surface(connection), connection, most=_STATEMENTS), label="statements"
                )
            found = list(
                breaches(url, (*zoo.conditions, *asked), application=ground.application, directory=Path(mkdtemp()))
            )
        found = [breach for breach in found if not any(re.search(each, breach, re.IGNORECASE) for each in KNOWN)]
        if found:
            note(f"TWINDEX_ZOO_SEED={number}\n" + ";\n".join(each for each in zoo.statements if each not in refused))
        assert not found, "\n".join(found)

    keeps_the_laws()


def test_zoos_keep_the_laws(ground: Ground) -> None:
    grow_and_examine(ground, SEED, examples=2)


def test_a_zoo_has_whatever_the_catalog_lists(ground: Ground) -> None:
    missing: set[str] = set()
    taken: list[float] = []

    @seed(SEED)
    @settings(max_examples=2, deadline=None, database=None, suppress_health_check=UNHURRIED)
    @given(zoo=zoos(ground.inventory, every_kind=True))
    def fill(zoo: Zoo) -> None:
        with built(ground, zoo) as (url, refused), connect(url) as connection:
            empty = {
                name
                for name in catalogs(connection)
                if not run(connection, f"SELECT 1 FROM {name} WHERE oid >= 16384 LIMIT 1")
            }
        missing.update(empty) if not taken else missing.intersection_update(empty)
        taken.append(1 - len(refused) / len(zoo.statements))

    fill()
    assert not missing
    assert min(taken) > 0.8


@pytest.mark.slow
def test_many_zoos_keep_the_laws(ground: Ground) -> None:
    deadline, number = time.monotonic() + float(SECONDS or 0), SEED
    while time.monotonic() < deadline if SECONDS else number < SEED + SEEDS:
        grow_and_examine(ground, number, examples=3, shrink=True)
        number += 1
    print(f"seeds {SEED} to {number - 1}")
