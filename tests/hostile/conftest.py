"""One database with everything planted, and what is captured of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.server import cluster
from tests.hostile.canaries import Canaries, canaries
from tests.hostile.planting import ATTACKER, Plant, load_plants, plant_all

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "off",
    "fsync": "off",
    "jit": "off",
    "shared_buffers": "64MB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A database that is full of plants, as its superuser."""

    url: str
    log: Path
    plants: tuple[Plant, ...]
    canaries: Canaries

    def ran(self, since: int) -> frozenset[tuple[str, str]]:
        """Return which places ran as another role than the attacker, and which role that was, since a moment."""
        lines = self.log.read_text(errors="replace")[since:].splitlines()
        said = [line.partition("canary ")[2].split() for line in lines if " runs as " in line and "LOG:" in line]
        return frozenset((words[0], words[3]) for words in said if words[3] != ATTACKER)

    def now(self) -> int:
        """Return a moment of the log."""
        return len(self.log.read_text(errors="replace"))


@pytest.fixture(scope="session")
def hostile() -> Iterator[Hostile]:
    """A production server with everything planted."""
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(canaries())
        server = stack.enter_context(cluster.temporary(settings=SETTINGS))
        server.ensure_database("app")
        plants = load_plants(where)
        plant_all(server.url("app"), plants, where)
        where.silence()
        yield Hostile(url=server.url("app"), log=server.home / "log", plants=plants, canaries=where)


@pytest.fixture(scope="session")
def captured(hostile: Hostile) -> Snapshot:
    """A snapshot of all of it, values of the planted tables too."""
    found = capture(hostile.url, run_user_code=True, allow_superuser=True)
    hostile.canaries.silence()
    return found
