"""What `twindex check --health` says of tables, on real servers: a table that is in order, and one that is not."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analyzer.capture.capture import capture
from analyzer.config import Config
from analyzer.db import connect
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.specs.file import SpecSet
from analyzer.workflows.health import health
from tests.conftest import fresh_database
from tests.server.capture_zoo import new_role

#: What a server of before 15 sends to its statistics collector arrives a moment later.
_ARRIVED = "SELECT pg_sleep(1)"


@pytest.fixture
def database(any_server: str) -> Iterator[str]:
    """URL of an empty database on a server of each available version."""
    with fresh_database(any_server) as url:
        yield url


def run(url: str, *statements: str) -> None:
    """Run statements, with the counters of each sent before the next one: VACUUM and ANALYZE reset some."""
    with connect(url, autocommit=True) as connection:
        arrived = "SELECT pg_stat_force_next_flush()" if connection.info.server_version >= 150_000 else _ARRIVED
        for each in statements:
            connection.execute(each.encode())
            connection.execute(arrived.encode())


def captured(url: str) -> Snapshot:
    """Capture a database without statements."""
    return capture(url, statements=False)


def examined(found: Snapshot, **settings: object) -> FindingsDocument:
    """Examine a snapshot."""
    return health(found, SpecSet(specs=()), Config.model_validate(settings))


def flagged(found: Snapshot, code: str, **settings: object) -> dict[str, SpecFinding]:
    """Return what a rule says, by object."""
    return {each.object: each for each in examined(found, **settings).findings if each.code == code}


def skipped(found: Snapshot, code: str) -> tuple[str, ...]:
    """Return why a rule skipped objects."""
    (count,) = (each for each in examined(found).checks if each.code == code)
    return count.skipped_because


def changed(found: Snapshot, **server: Any) -> Snapshot:
    """Return a snapshot of another server."""
    return found.model_copy(update={"server": found.server.model_copy(update=server)})


FILL = "INSERT INTO {} SELECT i, i % 100, repeat('x', 100) FROM generate_series(1, {}) AS i"
TABLE = "CREATE TABLE {} (id integer, a integer, t text) WITH (autovacuum_enabled = off{})"


def test_dead_rows_are_compared_with_the_tables_own_trigger(database: str) -> None:
    run(
        database,
        TABLE.format("own", ", autovacuum_vacuum_scale_factor = 0.9"),
        *(TABLE.format(name, "") for name in ("bad", "good")),
        *(FILL.format(name, 40_000) for name in ("bad", "own", "good")),
        "VACUUM ANALYZE bad, own, good",
        *(f"DELETE FROM {name} WHERE id <= 20000" for name in ("bad", "own", "good")),
        "VACUUM good",
    )  # fmt: skip
    found = captured(database)
    bad = flagged(found, "TX506")
    assert set(bad) == {"public.bad"}
    assert bad["public.bad"].message == (
        "20,000 dead rows, 50.0 % of its rows; autovacuum is off for the table, which would vacuum it at 8,050"
    )
    assert bad["public.bad"].remedy is not None
    assert set(flagged(changed(found, autovacuum={"autovacuum_vacuum_scale_factor": "0.4"}), "TX506")) == set()
    assert set(flagged(changed(found, autovacuum={"autovacuum_vacuum_max_threshold": "1000"}), "TX506")) == {
        "public.bad", "public.own",
    }  # fmt: skip
    assert flagged(changed(found, in_recovery=True), "TX506") == {}
    assert skipped(changed(found, in_recovery=True), "TX506") == (
        "only a standby was captured, and writes are counted on the primary",
    )
    run(database, *bad["public.bad"].remedy.sql)
    assert flagged(captured(database), "TX506") == {}


def test_the_settings_of_the_server_are_captured(database: str) -> None:
    found = captured(database).server
    assert found.autovacuum is not None
    assert found.autovacuum["autovacuum_vacuum_scale_factor"] == "0.2"
    assert ("autovacuum_vacuum_max_threshold" in found.autovacuum) == (found.major >= 18)


def test_a_table_without_statistics_is_known_by_reltuples_after_a_reset_too(database: str) -> None:
    run(
        database,
        TABLE.format("bad", ""), TABLE.format("vacuumed", ""), TABLE.format("good", ""), TABLE.format("emptied", ""),
        *(FILL.format(name, 10_000) for name in ("bad", "vacuumed", "good", "emptied")),
        "CREATE TABLE parted (id integer, a integer, t text) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF parted DEFAULT",
        FILL.format("parted", 10_000),
        "VACUUM vacuumed", "ANALYZE good", "ANALYZE part", "DELETE FROM emptied", "ANALYZE emptied",
        "SELECT pg_stat_reset()",
    )  # fmt: skip
    found = captured(database)
    bad = flagged(found, "TX507")
    assert {name: each.severity for name, each in bad.items()} == {
        "public.bad": "warning", "public.vacuumed": "warning", "public.parted": "info",
    }  # fmt: skip
    assert "was never analyzed" in bad["public.bad"].message
    assert "has no statistics of its columns" in bad["public.vacuumed"].message
    assert any("counters were reset" in each for each in skipped(found, "TX508"))
    run(database, *(sql for each in bad.values() if each.remedy is not None for sql in each.remedy.sql))
    assert flagged(captured(database), "TX507") == {}


def test_a_role_that_may_not_see_statistics_is_not_told_that_there_are_none(database: str) -> None:
    run(database, TABLE.format("good", ""), FILL.format("good", 10_000), "ANALYZE good")
    with new_role(database, "pg_monitor") as role:
        found = captured(database.replace("postgres@", f"{role}@"))
        assert found.server.role == role
        assert flagged(found, "TX507") == {}


def test_changed_rows_are_compared_with_the_tables_own_trigger(database: str) -> None:
    run(
        database,
        TABLE.format("own", ", autovacuum_analyze_scale_factor = 0.5"),
        *(TABLE.format(name, "") for name in ("bad", "good")),
        *(FILL.format(name, 20_000) for name in ("bad", "own", "good")),
        "ANALYZE",
        *(FILL.format(name, 15_000) for name in ("bad", "own", "good")),
        "ANALYZE good",
    )  # fmt: skip
    bad = flagged(captured(database), "TX508")
    assert set(bad) == {"public.bad"}
    assert "15,000 rows changed since its last ANALYZE, 0.75 times its rows then" in bad["public.bad"].message
    assert bad["public.bad"].remedy is not None
    run(database, *bad["public.bad"].remedy.sql)
    assert flagged(captured(database), "TX508") == {}


SCANS = {"thresholds": {"sequential-scans": {"size": 4 * 1024**2, "bytes": 40 * 1024**2}}}


def test_what_is_read_whole_is_weighed_by_what_is_read(database: str) -> None:
    run(
        database,
        "CREATE EXTENSION pg_stat_statements",
        *(TABLE.format(name, "") for name in ("bad", "small", "stopped", "served")),
        *(FILL.format(name, 40_000) for name in ("bad", "stopped", "served")),
        FILL.format("small", 2),
        "CREATE INDEX ON served (a)",
        "CREATE TABLE parted (id integer, a integer, t text) PARTITION BY LIST (a)",
        "CREATE TABLE part PARTITION OF parted FOR VALUES IN (1, 2, 3)",
        "CREATE TABLE rest PARTITION OF parted DEFAULT",
        FILL.format("parted", 40_000),
        "ANALYZE", "SELECT pg_stat_reset()",
        *(["SELECT count(t) FROM bad WHERE a = 7", "SELECT t FROM stopped LIMIT 1"] * 12),
        *(["SELECT t FROM served WHERE a = 7", "SELECT sum(id) FROM parted"] * 12),
        "DO 'BEGIN FOR i IN 1..1000 LOOP PERFORM t FROM small; END LOOP; END'",
    )  # fmt: skip
    found = capture(database)
    bad = flagged(found, "TX501", **SCANS)
    assert {name: each.severity for name, each in bad.items()} == {"public.bad": "warning", "public.parted": "info"}
    assert "12 sequential scans read 480,000 rows, as many as 12.0 times all 40,000 rows" in bad["public.bad"].message
    assert "no index has a column that statement" in bad["public.bad"].message
    assert "has no condition on it" in bad["public.parted"].message
    assert flagged(found, "TX501") == {}
    unrecorded = flagged(captured(database), "TX501", **SCANS)
    assert "no recorded statement names it" in str(unrecorded["public.bad"].caveats)
    run(database, "CREATE INDEX ON bad (a)")
    assert "no index has" not in flagged(capture(database), "TX501", **SCANS)["public.bad"].message


def test_keys_run_out_at_the_nearer_end(database: str) -> None:
    run(
        database,
        "CREATE TABLE good (id bigserial PRIMARY KEY, short integer GENERATED ALWAYS AS IDENTITY)",
        "SELECT setval('good_id_seq', 2147483647), setval('good_short_seq', 1000)",
        "CREATE TABLE narrow (id bigserial PRIMARY KEY)",
        "ALTER TABLE narrow ALTER id TYPE integer",
        "SELECT setval('narrow_id_seq', 1200000000)",
        'CREATE TABLE "of \'odd "" %s" ("a key" smallint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)',
        """SELECT setval('"of ''odd "" %s_a key_seq"', 32000)""",
        "CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE -1", "SELECT setval('down', -80)",
        "CREATE SEQUENCE round MAXVALUE 100 CYCLE", "SELECT setval('round', 99)",
        "CREATE SEQUENCE fresh MAXVALUE 2",
        "CREATE SEQUENCE below MINVALUE -1000 MAXVALUE 1000 START -1000", "SELECT setval('below', 1)",
        "CREATE TABLE by_default (id integer DEFAULT nextval('round') PRIMARY KEY)",
        "CREATE TABLE filled (id integer PRIMARY KEY)", "INSERT INTO filled VALUES (2147483000)",
        "CREATE TABLE parted (id bigserial, a integer) PARTITION BY LIST (a)",
        "CREATE TABLE part PARTITION OF parted (PRIMARY KEY (id)) FOR VALUES IN (1) PARTITION BY LIST (id)",
        "CREATE TABLE leaf PARTITION OF part FOR VALUES IN (1, 9000000000000000000)",
        "INSERT INTO parted VALUES (9000000000000000000, 1)",
        "CREATE TABLE halfway (id integer PRIMARY KEY)", "INSERT INTO halfway VALUES (7)",
    )  # fmt: skip
    found = captured(database)
    bad = flagged(found, "TX511")
    assert {name: (each.severity, each.evidence[1].value) for name, each in bad.items()} == {
        "public.narrow_id_seq": ("warning", 2_147_483_647),
        '''public."of 'odd "" %s_a key_seq"''': ("error", 32_767),
        "public.down": ("warning", -100),
        "public.below": ("warning", 1000),
        "public.filled.id": ("error", 2_147_483_647),
    }
    assert bad["public.narrow_id_seq"].message == (
        "55.9 % of its values are used: the last one is 1,200,000,000, and the type integer of public.narrow.id ends "
        "at 2,147,483,647, 947,483,647 further on"
    )
    counting = {each.name: each for each in found.sequences or ()}
    assert counting["parted_id_seq"].columns == (("public", "parted", "id"),)
    assert flagged(capture(database, statements=False, values=False), "TX511") == {}
    assert "no values were captured" in skipped(capture(database, statements=False, values=False), "TX511")
    older = found.model_copy(update={"sequences": None})
    assert skipped(older, "TX511") == ("the snapshot does not have the sequences; capture it again",)
    assert flagged(capture(database, statements=False, run_user_code=True), "TX511").keys() == bad.keys()


def test_sequences_that_the_role_may_not_read_are_not_examined(database: str) -> None:
    run(database, "CREATE SEQUENCE full_one MAXVALUE 10", "SELECT setval('full_one', 10)")
    assert set(flagged(captured(database), "TX511")) == {"public.full_one"}
    with new_role(database, "pg_monitor") as role:
        found = captured(database.replace("postgres@", f"{role}@"))
        assert flagged(found, "TX511") == {}
        assert any("may not read its last value" in each for each in skipped(found, "TX511"))


def test_reading_sequences_takes_no_lock_above_access_share(database: str) -> None:
    run(database, "CREATE TABLE t (id serial)", "SELECT setval('t_id_seq', 2000000000)")
    with connect(database) as altering:
        altering.execute("LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE")
        altering.execute("ALTER SEQUENCE t_id_seq CACHE 5")
        assert set(flagged(captured(database), "TX511")) == {"public.t_id_seq"}
        altering.rollback()
    with connect(database) as dropping:
        dropping.execute("DROP SEQUENCE t_id_seq CASCADE")
        assert flagged(captured(database), "TX511") == {}
        dropping.rollback()


def test_an_older_snapshot_loads(database: str, tmp_path: Path) -> None:
    dump(captured(database), tmp_path / "new")
    document = json.loads(gzip.decompress((tmp_path / "new").read_bytes()))
    del document["sequences"], document["server"]["autovacuum"]
    for relation in document["relations"]:
        if relation["activity"] is not None:
            del relation["activity"]["rows_newpage_updated"]
    (tmp_path / "old").write_bytes(gzip.compress(json.dumps(document).encode()))
    older = load(tmp_path / "old")
    assert older.sequences is None
    assert older.server.autovacuum is None


UPDATE = "UPDATE {} SET {} WHERE id % 10 = {}"


def test_an_index_is_blamed_for_updates_that_are_not_hot_only_where_it_is_the_cause(database: str) -> None:
    room = ", fillfactor = 40"
    run(
        database,
        "CREATE EXTENSION pg_stat_statements",
        *(TABLE.format(name, room) for name in ("bad", "good", "predicate", "summarized")),
        TABLE.format("full_pages", ""),
        *(FILL.format(name, 10_000) for name in ("bad", "good", "predicate", "summarized", "full_pages")),
        "CREATE INDEX bad_a ON bad (id) INCLUDE (a)",
        "CREATE INDEX good_t ON good (t)",
        "CREATE INDEX predicate_id ON predicate (id) WHERE a < 50",
        "CREATE INDEX summarized_a ON summarized USING brin (a)",
        "CREATE INDEX full_pages_id ON full_pages (id)",
        "VACUUM ANALYZE", "SELECT pg_stat_reset()",
        *(
            UPDATE.format(name, "a = a + 1", n)
            for name in ("bad", "good", "predicate", "summarized")
            for n in range(10)
        ),
        "UPDATE full_pages SET a = a + 1",
    )  # fmt: skip
    rules = {"thresholds": {"hot-blocked": {"rows": 5_000}, "pages-full": {"rows": 5_000}}}
    found = capture(database)
    bad = flagged(found, "TX504", **rules)
    is_since = found.server.major >= 16
    assert set(bad) == {"public.bad", "public.predicate"} | (set() if is_since else {"public.summarized"})
    assert "columns that indexes hold: a (public.bad_a)" in bad["public.bad"].message
    assert "a (public.predicate_id)" in bad["public.predicate"].message
    full = flagged(found, "TX509", **rules)
    if is_since:
        assert "others stayed on their page" in bad["public.bad"].message
        assert set(full) == {"public.full_pages"}
        remedy = full["public.full_pages"].remedy
        assert remedy is not None
        assert remedy.reverse == ("ALTER TABLE public.full_pages RESET (fillfactor)",)
        run(database, *remedy.sql)
        assert flagged(capture(database), "TX509", **rules) == {}
        run(database, *remedy.reverse)
        assert set(flagged(captured(database), "TX504", **rules)) == {"public.bad", "public.predicate"}
    else:
        assert full == {}
        assert any("are not counted" in each for each in skipped(found, "TX509"))
        assert any("are not counted" in each for each in skipped(found, "TX504"))


def test_a_table_that_nothing_names_is_reported_if_the_record_is_whole(database: str) -> None:
    names = ("bad", "read", "in_view", "in_body", "in_block", "dynamic", "written")
    run(
        database,
        "CREATE EXTENSION pg_stat_statements",
        *(TABLE.format(name, "") for name in names),
        "CREATE TABLE parent (id integer PRIMARY KEY, t text)", "CREATE TABLE child (id integer REFERENCES parent)",
        *(FILL.format(name, 10_000) for name in names),
        "INSERT INTO parent SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i",
        "CREATE VIEW v AS SELECT * FROM in_view",
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM in_body'",
        "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DELETE FROM dynamic'; END$$",
        "ANALYZE", "SELECT pg_stat_reset()", "SELECT pg_stat_statements_reset()",
        "SELECT count(*) FROM read", "SELECT * FROM v LIMIT 1", "DELETE FROM written WHERE id = 1",
        "DO $$BEGIN PERFORM FROM in_block; END$$",
    )  # fmt: skip
    with connect(database, autocommit=True) as connection:
        connection.execute("SET pg_stat_statements.track = 'none'")
        connection.execute("SELECT count(*) FROM bad")
    now = capture(database)
    month = {"statements_reset": now.captured_at - timedelta(days=30), "statements_evicted": 0}
    found = changed(now, stats_reset=now.captured_at - timedelta(days=20)).model_copy(update=month)
    bad = flagged(found, "TX512")
    assert set(bad) == {"public.bad"}
    assert "in 20 days, nothing was written to it" in bad["public.bad"].message
    assert "may be those of dumps" in str(bad["public.bad"].caveats)
    for less, why in (
        ({"statements_evicted": 3}, "evicted entries"),
        ({"statements_reset": now.captured_at - timedelta(days=2)}, "less than 7 days"),
        ({"statements": ()}, "no statements were recorded"),
        ({"values": False}, "bodies of functions"),
    ):
        assert flagged(found.model_copy(update=less), "TX512") == {}
        assert why in skipped(found.model_copy(update=less), "TX512")[0]
    assert flagged(changed(found, standbys=1), "TX512") == {}


def test_the_room_between_columns_is_what_another_order_saves(database: str) -> None:
    columns = {
        "bad": "a boolean, b bigint, c boolean, d timestamptz, e smallint, f double precision, g integer, h bigint",
        "good": "b bigint, d timestamptz, f double precision, h bigint, g integer, e smallint, a boolean, c boolean",
        "behind_text": "t text, b bigint, a boolean, d bigint",
        "unknown": "p point, a boolean, b bigint",
    }
    rows = {
        "bad": "true, i, false, now(), 1, 1, 1, i",
        "good": "i, now(), 1, i, 1, 1, true, false",
        "behind_text": "repeat('x', i % 20), i, true, i",
        "unknown": "point(1, 1), true, i",
    }
    run(
        database,
        *(f"CREATE TABLE {name} ({each})" for name, each in columns.items()),
        *(f"INSERT INTO {name} SELECT {each} FROM generate_series(1, 50000) AS i" for name, each in rows.items()),
        "VACUUM ANALYZE",
    )
    found = captured(database)
    small = {"thresholds": {"column-order": {"size": 100_000}}}
    bad = flagged(found, "TX514", **small)
    sizes = {each.name: each.size_bytes or 0 for each in found.relations}
    assert "public.bad" in bad
    assert not {"public.good", "public.unknown"} & bad.keys()
    assert bad["public.bad"].evidence[1].value == pytest.approx(sizes["bad"] - sizes["good"], rel=0.1)
    assert flagged(found, "TX514") == {}
