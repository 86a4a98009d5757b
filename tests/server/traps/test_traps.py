"""Each trap on real servers: what is expected is found and nothing else, remedies silence it, reverses undo them."""

import datetime as dt
import re
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.checks.health import Health, examine_health
from analyzer.checks.health_rule import Database, Fine, Flagged, Skipped
from analyzer.checks.registry import HEALTH_RULES
from analyzer.db import Connection, connect
from analyzer.documents.findings import SpecFinding
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet
from analyzer.workload.log_workload import recorded_workload
from tests.conftest import fresh_database
from tests.server.capture_zoo import run
from tests.server.servers import VERSIONS, server_of

#: Rules about tables, indexes and their values; those of statements and counters are of the server as a whole.
ABOUT = tuple(code for code in HEALTH_RULES if code.startswith(("TX4", "TX5")))
TRAPS = sorted(Path(__file__).parent.glob("*.sql"))
_WANTED = re.compile(
    r'(TX\d{3}) ((?:"(?:[^"]|"")*"|[\w$]+)\.(?:"(?:[^"]|"")*"|[\w$]+))(?: (error|warning|info))?(?:, |$)'
)
#: All that a remedy must bring back.
DEFINITIONS = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS ddl, i.indisvalid AS valid,
           obj_description(i.indexrelid, 'pg_class') AS comment, h.inhparent::regclass::text AS parent,
           (SELECT array_agg(coalesce(a.attstattarget, -1) ORDER BY a.attnum) FROM pg_attribute AS a
            WHERE a.attrelid = i.indexrelid) AS targets
    FROM pg_index AS i
    LEFT JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid
    WHERE i.indrelid >= 16384 AND i.indisvalid
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """A file: what is planted, and what is to be said of it."""

    header: dict[str, str]
    statements: tuple[str, ...]
    #: Statements that must fail: what they leave is the trap.
    failing: tuple[str, ...]

    @property
    def expected(self) -> set[tuple[str, str]]:
        return {(code, name) for code, name, _ in self._wanted("expect")}

    @property
    def expected_then(self) -> set[tuple[str, str]]:
        """What is said only once the remedies were followed."""
        return {(code, name) for code, name, _ in self._wanted("then")}

    @property
    def severities(self) -> dict[tuple[str, str], str]:
        return {(code, name): severity for code, name, severity in self._wanted("expect") if severity}

    def _wanted(self, word: str) -> list[tuple[str, str, str]]:
        text = self.header.get(word, "nothing")
        found = _WANTED.findall(text)
        assert text == "nothing" or sum(len(match[0]) for match in _WANTED.finditer(text)) == len(text), text
        return found


def read(path: Path) -> Trap:
    text = path.read_text(encoding="utf-8")
    header = dict[str, str](re.findall(r"^-- ([a-z-]+): (.+)$", text, re.MULTILINE))
    lines = [line for line in text.splitlines() if not line.startswith("-- ")]
    failing = tuple(re.findall(r"^-- fails: (.+)$", text, re.MULTILINE))
    return Trap(header=header, statements=tuple(line for line in lines if line), failing=failing)


@pytest.fixture(scope="module", params=VERSIONS)
def url(request: pytest.FixtureRequest) -> Generator[str]:
    with server_of(request) as found:
        yield found


@pytest.fixture
def planted(url: str) -> Generator[str]:
    with fresh_database(url) as database:
        yield database


def plant(trap: Trap, database: str) -> None:
    with connect(database, autocommit=True) as connection:
        if int(trap.header.get("from", "0")) > connection.info.server_version // 10_000:
            pytest.skip(f"PostgreSQL {trap.header['from']} and newer")
        for statement in trap.statements:
            try:
                run(connection, statement)
            except psycopg.errors.FeatureNotSupported:
                if "needs" not in trap.header:
                    raise
                pytest.skip(f"a server with {trap.header['needs']}")
        for statement in trap.failing:
            with pytest.raises(psycopg.Error):
                run(connection, statement)
        run(connection, "RESET ALL")
        run(connection, "SELECT pg_stat_force_next_flush()")
        run(connection, "VACUUM" if "analyze" in trap.header else "VACUUM ANALYZE")
        run(connection, "SELECT pg_stat_force_next_flush()")


def seen(trap: Trap, database: str) -> Snapshot:
    """Capture a database, with the window of its counters that the trap says."""
    found = capture(database, statements="workload" in trap.header)
    window = re.match(r"\d+", trap.header.get("window", "unknown"))
    since = found.captured_at - dt.timedelta(days=int(window[0])) if window else None
    standbys = int(trap.header.get("standbys", "0"))
    server = found.server.model_copy(update={"stats_reset": since, "standbys": standbys})
    return found.model_copy(update={"server": server})


def examined(trap: Trap, database: str) -> Health:
    snapshot = seen(trap, database)
    thresholds = {
        name: float(trap.header[header])
        for header, name in (
            ("unused-size", "unused-index.size"), ("bloat-size", "bloated-index.size"),
            ("part-size", "null-heavy-index.size"), ("rows", "unselective-index.rows"),
            ("deduplication-size", "deduplication-off.size"),
        )
        if header in trap.header
    }  # fmt: skip
    workload = recorded_workload(snapshot) if "workload" in trap.header else None
    about = Database(catalog=Catalog(snapshot), thresholds=thresholds, workload=workload)
    return examine_health(about, SpecSet(specs=()), today=dt.datetime.now(tz=dt.UTC).date())


def of_objects(health: Health) -> dict[tuple[str, str], SpecFinding]:
    found = [each for each in health.findings if each.code in ABOUT]
    assert len({(each.code, each.object) for each in found}) == len(found), "reported twice"
    return {(each.code, each.object): each for each in found}


def definitions(connection: Connection) -> list[object]:
    return [tuple(row.values()) for row in run(connection, DEFINITIONS)]


def hold_against_truth(database: str) -> None:
    """Compare the size that each index is said to need with that of an index that is built again from the same rows."""
    catalog = Catalog(capture(database, statements=False))
    about = Database(catalog=catalog, thresholds={"bloated-index.size": 0, "bloated-index.share": -1e9})
    said = {
        str(each.object): {fact.name: fact.value for fact in each.evidence}
        for each in HEALTH_RULES["TX405"].examine(about)
        if isinstance(each, Flagged)
    }
    assert len(said) >= 3
    with connect(database, autocommit=True) as connection, connection.transaction(force_rollback=True):
        run(connection, "REINDEX TABLE bl")
        for name, facts in said.items():
            (row,) = run(connection, f"SELECT pg_relation_size('{name}') AS size")
            assert abs(int(facts["predicted_size"]) - row["size"]) <= 0.05 * float(facts["size"]), name


@pytest.mark.parametrize("path", TRAPS, ids=[each.stem for each in TRAPS])
def test_a_trap_is_seen_for_what_it_is(path: Path, planted: str) -> None:
    trap = read(path)
    plant(trap, planted)
    health = examined(trap, planted)
    found = of_objects(health)
    assert found.keys() == trap.expected
    assert {key: found[key].severity for key in trap.severities} == trap.severities
    counts = {each.code: each.examined for each in health.checks}
    for code, number in re.findall(r"(TX\d{3}) (\d+)", trap.header.get("examined", "")):
        assert counts[code] == int(number)
    skipped = {each.code: each.skipped_because for each in health.checks}
    for code, reason in re.findall(r"(TX\d{3}) (.+)", trap.header.get("skipped", "")):
        assert any(reason in each for each in skipped[code]), skipped[code]
    if "truth" in trap.header:
        hold_against_truth(planted)
    remedies = {key: each.remedy for key, each in found.items() if each.remedy is not None}
    if not remedies:
        return
    with connect(planted, autocommit=True) as connection:
        before = definitions(connection)
        for remedy in remedies.values():
            for statement in remedy.sql:
                run(connection, statement)
        left = of_objects(examined(trap, planted))
        assert left.keys() == (found.keys() - remedies.keys()) | trap.expected_then
        for (code, _), remedy in remedies.items():
            for statement in remedy.reverse if code != "TX404" else ():
                run(connection, statement)
        if all(remedy.reverse for remedy in remedies.values()):
            assert definitions(connection) == before


def test_an_index_that_a_session_builds_is_not_a_leftover(planted: str) -> None:
    with connect(planted, autocommit=True) as connection, connect(planted) as holder:
        run(connection, "CREATE TABLE t (a integer)")
        run(holder, "INSERT INTO t VALUES (1)")
        with connect(planted, autocommit=True) as builder, ThreadPoolExecutor() as pool:
            built = pool.submit(run, builder, "CREATE INDEX CONCURRENTLY t_a ON t (a)")
            try:
                wait_for(
                    lambda: run(connection, "SELECT pid FROM pg_stat_progress_create_index WHERE index_relid <> 0")
                )
                skipped = list(HEALTH_RULES["TX404"].examine(about_now(planted)))
            finally:  # the build waits for it
                holder.rollback()
            built.result(timeout=60)
        assert skipped == [Skipped(object="public.t_a", reason="a session builds it now")]
        assert list(HEALTH_RULES["TX404"].examine(about_now(planted))) == [Fine(object="public.t_a")]


def about_now(database: str) -> Database:
    return Database(catalog=Catalog(capture(database, statements=False)), thresholds={})


def wait_for(seen: Callable[[], object]) -> None:
    for _ in range(600):
        if seen():
            return
        time.sleep(0.05)
    pytest.fail("not seen in 30 seconds")
