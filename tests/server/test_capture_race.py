"""What an owner changes while his table is captured does not run as the role that captures, and the table is named.

The planner takes the newest catalog, so each moment after the look at what hangs on a table is one to plant something.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from tests.server.capture_zoo import as_role, new_role, run
from tests.server.hostile_schema import MALLORY, ROWS, TABLE, Hostile, hostile_database

#: After the look at the catalog: whatever comes later is planned on what was planted.
MOMENTS = ("statistics", "indexes", "extremes", "samples")
#: What plants a function that planning on the table runs.
PLANTS: dict[str, tuple[str, ...]] = {
    "index": ("CREATE INDEX ON app.planted (b) WHERE app.quiet('{}') = 1",),
    "statistics": ("CREATE STATISTICS app.s ON (app.quiet('{}') + id), c FROM app.planted",),
    "check": ("ALTER TABLE app.planted ADD CHECK (id > 0 OR app.quiet('{}') = 2)",),
    "another table": (
        "ALTER TABLE app.planted RENAME TO formerly",
        "CREATE TABLE app.planted (id int, b text, c int)",
        "INSERT INTO app.planted SELECT * FROM app.formerly",
        "CREATE INDEX ON app.planted (id)",
        "CREATE INDEX ON app.planted (b) WHERE app.quiet('{}') = 1",
    ),
    "another schema": (
        "ALTER SCHEMA app RENAME TO formerly",
        "CREATE SCHEMA app",
        "CREATE TABLE app.planted (id int, b text, c int)",
        "INSERT INTO app.planted SELECT * FROM formerly.planted",
        "CREATE INDEX ON app.planted (id)",
        """CREATE FUNCTION app.quiet(place text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$
           BEGIN RETURN formerly.run(place); END $f$""",
        "CREATE INDEX ON app.planted (b) WHERE app.quiet('{}') = 1",
    ),
}


def planting(place: str, unique: str) -> list[str]:
    return [each.replace("{}", unique) for each in PLANTS[place]]


@pytest.fixture
def hostile(server: str) -> Iterator[Hostile]:
    with hostile_database(server) as found:
        found.plant(TABLE, ROWS, "CREATE INDEX planted_b ON app.planted (b)", "ANALYZE app.planted")
        yield found


def read(url: str, at: str, act: Callable[[], object], *, run_user_code: bool = False, rows: int = 20) -> Snapshot:
    """Capture, and act when the capture comes to a part."""

    def progress(what: str) -> None:
        if what == at:
            act()

    return capture(url, statements=False, sample_rows=rows, progress=progress, run_user_code=run_user_code)


def reason(snapshot: Snapshot) -> str:
    (found,) = (gap.reason for gap in snapshot.not_examined if gap.what == "values of app.planted")
    return found


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("place", PLANTS)
def test_what_is_planted_after_the_look_does_not_run(hostile: Hostile, place: str, moment: str) -> None:
    unique = secrets.token_hex(8)
    snapshot = read(hostile.url, moment, lambda: hostile.plant(*planting(place, unique)))
    assert unique not in hostile.sung()
    assert "changed during the capture" in reason(snapshot)
    assert "planted" not in {sample.table for sample in snapshot.samples}
    if place != "another schema":  # then no name is what it was
        assert "fine" in {sample.table for sample in snapshot.samples}


@pytest.mark.parametrize("place", PLANTS)
def test_what_is_planted_then_would_run(hostile: Hostile, place: str) -> None:
    unique = secrets.token_hex(8)
    read(hostile.url, "statistics", lambda: hostile.plant(*planting(place, unique)), run_user_code=True)
    assert unique in hostile.sung(), "the planted code cannot be reached there, so the test above proves nothing"


@contextlib.contextmanager
def holding(url: str, *statements: str, then: str) -> Generator[None]:
    """Hold what the statements lock for a while, then do one more and commit; as the owner."""
    held = threading.Event()

    def hold() -> None:
        with connect(url) as connection:
            for statement in (f"SET SESSION AUTHORIZATION {MALLORY}", *statements):
                run(connection, statement)
            held.set()
            time.sleep(0.4)
            run(connection, then)
            connection.commit()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    yield
    thread.join()


@pytest.mark.parametrize("lock", ["LOCK TABLE app.planted IN ACCESS EXCLUSIVE MODE", "REINDEX INDEX app.planted_b"])
@pytest.mark.parametrize("moment", ["indexes", "extremes", "samples"])
def test_waiting_for_a_lock_does_not_give_time_to_plant(hostile: Hostile, lock: str, moment: str) -> None:
    unique = secrets.token_hex(8)
    (then,) = planting("statistics", unique)
    with contextlib.ExitStack() as stack:
        snapshot = read(hostile.url, moment, lambda: stack.enter_context(holding(hostile.url, lock, then=then)))
    assert unique not in hostile.sung()
    assert any("app.planted" in gap.what for gap in snapshot.not_examined)
    assert "planted" not in {sample.table for sample in snapshot.samples}


def test_what_changes_while_a_table_is_read_is_dropped_and_named(hostile: Hostile) -> None:
    hostile.plant("INSERT INTO app.planted SELECT n, repeat('b', 20), n FROM generate_series(4000, 250000) AS n")
    hostile.plant("ANALYZE app.planted")

    def plant() -> None:
        with connect(hostile.url, autocommit=True) as connection:
            for _ in range(20_000):
                if run(connection, "SELECT 1 AS one FROM pg_locks WHERE relation = 'app.planted'::regclass"):
                    hostile.plant("CREATE STATISTICS app.s ON b, c FROM app.planted")
                    return

    thread = threading.Thread(target=plant)
    snapshot = read(hostile.url, "samples", thread.start, rows=200_000)
    thread.join()
    assert "may have run" in reason(snapshot)
    assert {sample.table for sample in snapshot.samples} == {"fine"}


def test_who_watches_for_a_capture_comes_too_late(hostile: Hostile) -> None:
    stop = threading.Event()

    def attack(delay: float, unique: str) -> None:
        query = "SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'twindex capture'"
        with connect(hostile.url, autocommit=True) as connection:
            while not stop.is_set() and not run(connection, query):
                pass
        time.sleep(delay)
        hostile.plant(f"CREATE INDEX evil ON app.planted (b) WHERE app.quiet('{unique}') = 1")

    with new_role(hostile.url, "pg_monitor", "pg_read_all_data") as role:
        for step in range(10):
            unique = secrets.token_hex(8)
            thread = threading.Thread(target=attack, args=(step * 0.008, unique))
            thread.start()
            snapshot = capture(as_role(hostile.url, role), statements=False, sample_rows=20)
            thread.join()
            gaps = [gap.reason for gap in snapshot.not_examined if gap.what == "values of app.planted"]
            assert unique not in hostile.sung() or "may have run" in gaps[0]
            hostile.plant("DROP INDEX app.evil")


def test_a_table_with_too_much_to_look_at_is_left_alone(hostile: Hostile) -> None:
    hostile.plant(*(f"CREATE STATISTICS app.s{number} ON b, c FROM app.planted" for number in range(160)))
    snapshot = capture(hostile.url, statements=False, sample_rows=20)
    assert "more than 150" in reason(snapshot)
    assert {each.table for each in (*snapshot.samples, *snapshot.extremes)} == {"fine"}


def test_what_is_routine_meanwhile_costs_no_table(hostile: Hostile) -> None:
    def maintain() -> None:
        hostile.plant(
            "ANALYZE app.planted",
            "VACUUM app.planted",
            "GRANT SELECT ON app.planted TO PUBLIC",
            "ALTER TABLE app.planted SET (fillfactor = 90)",
            "INSERT INTO app.planted VALUES (-1, 'a', 1)",
        )

    snapshot = read(hostile.url, "indexes", maintain)
    assert [gap for gap in snapshot.not_examined if "planted" in gap.what] == []
    assert {sample.table for sample in snapshot.samples} == {"fine", "planted"}
