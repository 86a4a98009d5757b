"""Each recorded statement is resolved as the session of its role resolved it, or not at all."""

import contextlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.specs.file import SpecSet
from analyzer.workflows.propose import Proposed, propose
from analyzer.workload.parse import Workload, parse_statements
from tests.server.capture_zoo import as_role, new_database, new_role, run

_ROWS = "SELECT i AS id, i % 20000 AS customer, now() AS at FROM generate_series(1, 60000) AS i"
OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE SCHEMA shop",
    "CREATE SCHEMA tenant_1",
    "CREATE SCHEMA tenant_2",
    # A table of the same name where the capturing role looks first.
    f"CREATE TABLE public.orders AS {_ROWS} LIMIT 100",
    f"CREATE TABLE shop.orders AS {_ROWS}",
    f"CREATE TABLE shop.visit AS {_ROWS}",
    f"CREATE TABLE tenant_1.bill AS {_ROWS}",
    f"CREATE TABLE tenant_2.bill AS {_ROWS} LIMIT 100",
    "ANALYZE",
)
ORDERS = "SELECT * FROM orders WHERE customer = 7"
VISITS = "WITH visit_of AS (SELECT * FROM visit) SELECT v.* FROM visit_of AS v WHERE v.customer = 7"
BILLS = "SELECT * FROM bill WHERE customer = 7"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shop:
    url: str
    reader: str
    application: str

    def recorded(self, *statements: str, user: str | None = None, session: str | None = None) -> Snapshot:
        """Run statements as the application, and capture as the reader."""
        with connect(self.url, autocommit=True) as connection:
            run(connection, "SELECT public.pg_stat_statements_reset()")
        with connect(as_role(self.url, user or self.application), autocommit=True) as connection:
            if session is not None:
                run(connection, f"SET search_path = {session}")
            for statement in statements:
                run(connection, statement)
        return self.captured()

    def captured(self) -> Snapshot:
        """Capture as the reader; without the reset."""
        snapshot = capture(as_role(self.url, self.reader))
        kept = tuple(entry for entry in snapshot.statements if "reset" not in entry.query)
        return snapshot.model_copy(update={"statements": kept})


@pytest.fixture(scope="module")
def shop(any_server: str) -> Iterator[_Shop]:
    with (
        new_database(any_server) as url,
        new_role(url, "pg_monitor", "pg_read_all_data") as reader,
        new_role(url, "pg_read_all_data") as application,
    ):
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield _Shop(url=url, reader=reader, application=application)


@contextlib.contextmanager
def setting(shop: _Shop, scope: str, value: str) -> Generator[None]:
    with connect(shop.url, autocommit=True) as connection:
        run(connection, f"ALTER {scope} SET search_path = {value}")
        try:
            yield
        finally:
            run(connection, f"ALTER {scope} RESET search_path")


def proposed(snapshot: Snapshot) -> Proposed:
    return propose(snapshot, parse_statements(snapshot), SpecSet(specs=()))


def tables(found: Proposed) -> list[str]:
    return [proposal.table for proposal in found.document.proposals]


def gaps(workload: Workload) -> list[str]:
    return [gap.reason for gap in workload.not_examined]


def test_a_path_of_the_role_leads_to_its_table(shop: _Shop) -> None:
    with setting(shop, f"ROLE {shop.application}", "shop, public"):
        snapshot = shop.recorded(ORDERS)
    (entry,) = snapshot.statements
    assert entry.search_path == ("shop", "public")
    assert tables(proposed(snapshot)) == ["shop.orders"]


def test_a_path_of_the_role_in_this_database_wins(shop: _Shop) -> None:
    database = conninfo_to_dict(shop.url)["dbname"]
    with (
        setting(shop, f"ROLE {shop.application}", "tenant_1"),
        setting(shop, f'ROLE {shop.application} IN DATABASE "{database}"', "shop"),
    ):
        assert tables(proposed(shop.recorded(ORDERS))) == ["shop.orders"]


def test_a_path_of_the_database_counts_where_the_reader_has_its_own(shop: _Shop) -> None:
    database = conninfo_to_dict(shop.url)["dbname"]
    with (
        setting(shop, f'DATABASE "{database}"', "shop"),
        setting(shop, f"ROLE {shop.reader}", "public"),
    ):
        assert tables(proposed(shop.recorded(ORDERS))) == ["shop.orders"]


def test_the_schema_of_the_user_is_the_users(shop: _Shop) -> None:
    with connect(shop.url, autocommit=True) as connection:
        run(connection, f"CREATE SCHEMA {shop.application}")
        run(connection, f"CREATE TABLE {shop.application}.orders AS TABLE shop.orders")
        run(connection, "ANALYZE")
        try:
            assert tables(proposed(shop.recorded(ORDERS))) == [f"{shop.application}.orders"]
        finally:
            run(connection, f"DROP SCHEMA {shop.application} CASCADE")


def test_a_path_that_a_session_set_is_found_by_its_tables(shop: _Shop) -> None:
    snapshot = shop.recorded(VISITS, session="shop")
    (statement,) = parse_statements(snapshot).statements
    assert statement.search_path is not None
    assert statement.search_path[-1] == "shop"
    assert tables(proposed(snapshot)) == ["shop.visit"]


def test_of_several_schemas_none_is_guessed(shop: _Shop) -> None:
    workload = parse_statements(shop.recorded(BILLS, session="tenant_1"))
    (gap,) = workload.not_examined
    assert workload.statements == ()
    assert "2 schemas have its table bill (tenant_1, tenant_2)" in gap.reason
    assert gap.share_of_time == 1.0


def test_the_same_text_of_two_roles_is_two_statements(shop: _Shop) -> None:
    with new_role(shop.url, "pg_read_all_data") as other:
        with (
            setting(shop, f"ROLE {shop.application}", "tenant_1"),
            setting(shop, f"ROLE {other}", "tenant_2"),
        ):
            with connect(shop.url, autocommit=True) as connection:
                run(connection, "SELECT public.pg_stat_statements_reset()")
            for role in (shop.application, other):
                with connect(as_role(shop.url, role), autocommit=True) as connection:
                    run(connection, BILLS)
            snapshot = shop.captured()
        statements = parse_statements(snapshot).statements
    assert sorted(each.search_path or () for each in statements) == [("tenant_1",), ("tenant_2",)]
    assert len({each.id for each in statements}) == 2
    assert tables(proposed(snapshot)) == ["tenant_1.bill"]


def test_a_path_that_makes_no_difference_is_no_other_statement(shop: _Shop) -> None:
    qualified = "SELECT * FROM shop.orders WHERE customer = 7"
    plain = shop.recorded(qualified)
    with setting(shop, f"ROLE {shop.application}", "tenant_1"):
        other = shop.recorded(qualified)
    assert [s.id for s in parse_statements(other).statements] == [s.id for s in parse_statements(plain).statements]


@pytest.fixture(scope="module")
def of_tenants(shop: _Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot whose only statement names a table of two schemas."""
    path = tmp_path_factory.mktemp("tenants") / "shop.snapshot"
    dump(shop.recorded(BILLS, session="tenant_1"), path)
    return path


@pytest.mark.parametrize("command", ["propose", "report"])
def test_what_was_not_examined_is_in_the_headline_and_the_exit(
    of_tenants: Path, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leaving:
        main([command, str(of_tenants), "--quiet"])
    said = capsys.readouterr()
    assert leaving.value.code == 3
    assert said.out.startswith("No index is proposed; 100 % of the recorded time was not examined\n")
    assert said.err.startswith("twindex: 100 % of the recorded time was not examined: 2 schemas have its table bill")
    assert said.err.count("\n") == 1


def test_an_option_says_where_the_tables_are(
    of_tenants: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["propose", str(of_tenants), "--quiet", "--format", "json", "--search-path"]
    with pytest.raises(SystemExit) as leaving:
        main([*arguments, '"$user", tenant_1'])
    assert leaving.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["table"] for each in document["proposals"]] == ["tenant_1.bill"]
    assert document["share_not_examined"] == 0
    with pytest.raises(SystemExit) as leaving:
        main([*arguments, "tenant_9"])
    assert leaving.value.code == 2
    assert "--search-path: the database has no schema tenant_9; check the name" in capsys.readouterr().err


def test_statements_of_a_file_are_looked_up_like_recorded_ones(
    of_tenants: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "visits.sql").write_text(f"{VISITS};\n{BILLS};\n")
    with pytest.raises(SystemExit) as leaving:
        main(["whatif", str(of_tenants), "--quiet", "--format", "json", "-q", "visits.sql"])
    assert leaving.value.code == 0
    visits, bills = json.loads(capsys.readouterr().out)["statements"]
    assert visits["cost_before"] > 0
    assert "2 schemas have its table bill" in bills["error"]


def test_a_snapshot_file_holds_the_path(shop: _Shop, tmp_path: Path) -> None:
    with setting(shop, f"ROLE {shop.application}", "shop"):
        snapshot = shop.recorded(ORDERS)
    dump(snapshot, tmp_path / "shop.snapshot")
    assert tables(proposed(load(tmp_path / "shop.snapshot"))) == ["shop.orders"]
