"""A twin plans as the captured server does whatever the schema is made of, on every version at hand."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server import odd_zoo
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.live_plans import Live, assert_same
from tests.server.servers import VERSIONS, server_of
from tests.server.test_twin_lacking import error

FOREIGN = (
    "it needs what the twin lacks: foreign table odd.remote (it is a foreign table, whose costs only its "
    "foreign-data wrapper knows)"
)


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with server_of(request) as server, new_database(server) as url, new_role(url, "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            run(connection, f"ALTER ROLE {role} BYPASSRLS")
            for extension in odd_zoo.EXTENSIONS:
                run(connection, f"CREATE EXTENSION {extension}")
            statements = [*odd_zoo.TABLES, *odd_zoo.ROWS, *odd_zoo.INDEXES, *odd_zoo.LATER_ROWS]
            if connection.info.server_version >= 180_000:
                statements += odd_zoo.VIRTUAL
            for statement in statements:
                run(connection, statement)
        yield Live(url=url, role=role)


@pytest.fixture(scope="module")
def captured(live: Live) -> Snapshot:
    return capture(as_role(live.url, live.role), statements=False)


@pytest.fixture(scope="module")
def twin(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


@pytest.mark.parametrize("claim", odd_zoo.STATEMENTS | odd_zoo.CHANGES)
def test_the_twin_plans_as_the_live_server(claim: str, live: Live, twin: Twin) -> None:
    statement = (odd_zoo.STATEMENTS | odd_zoo.CHANGES)[claim]
    assert twin.obstacle(statement) is None
    assert_same(twin.plan(statement), live.plan(statement, as_owner=claim in odd_zoo.CHANGES))


@pytest.mark.parametrize("claim", odd_zoo.RANGES | odd_zoo.VIRTUAL_STATEMENTS)
def test_ranges_and_virtual_columns_are_exact_where_the_server_shows_them(claim: str, live: Live, twin: Twin) -> None:
    needed = 17 if claim in odd_zoo.RANGES else 18
    if twin.snapshot.server.major < needed:
        pytest.skip(f"PostgreSQL {needed} has them")
    statement = (odd_zoo.RANGES | odd_zoo.VIRTUAL_STATEMENTS)[claim]
    assert_same(twin.plan(statement), live.plan(statement))


@pytest.mark.parametrize("claim", odd_zoo.SECURED)
def test_policies_are_part_of_the_plan(claim: str, live: Live, twin: Twin) -> None:
    with new_role(live.url, "pg_read_all_data", "pg_write_all_data") as application:
        ordinary = Live(url=live.url, role=application, settings={"odd.tenant": "31"})
        assert_same(twin.plan(odd_zoo.SECURED[claim]), ordinary.plan(odd_zoo.SECURED[claim]))


def test_the_planner_is_the_captured_servers_own_version(twin: Twin) -> None:
    assert twin.planner.endswith("(same major version)")
    assert twin.planner.startswith(f"PostgreSQL {twin.snapshot.server.major}.")


def test_what_is_not_exact_is_said(twin: Twin) -> None:
    told = {gap.what: gap.reason for gap in lacking(twin)}
    functions = {f"function odd.{name}(integer, integer)" for name in ("less", "more")}
    expected = {"row security of odd.tenant_order", "foreign table odd.remote", *functions}
    if twin.snapshot.server.major < 17:
        expected |= {"statistics of odd.typed.span", "statistics of odd.typed.seen", "statistics of odd.booking.during"}
    assert told.keys() == expected
    assert "odd.tenant" in told["row security of odd.tenant_order"]


def test_what_has_no_record_of_its_own_is_captured_by_its_definition(captured: Snapshot) -> None:
    assert {("collation", "odd.own"), ("rule", "quiet on odd.fleeting")} == {
        (each.kind, each.identity) for each in captured.objects
    }
    assert not {gap.what for gap in captured.not_examined if "odd." in gap.what} - {"foreign table odd.remote"}


def test_domains_and_composite_types_have_their_collations(captured: Snapshot, twin: Twin) -> None:
    options = {each.name: each.options for each in captured.types}
    assert (options["code"], options["address"]) == (
        (("collation", 'pg_catalog."C"'),), (("street", 'pg_catalog."C"'),),
    )  # fmt: skip
    (index,) = twin.parse_ddl(['CREATE INDEX x ON odd.typed (code COLLATE "C", ((home).street) COLLATE "C")'])
    assert "COLLATE" not in twin.server_ddl(index)


def test_a_statement_that_reads_a_foreign_table_is_not_examined(twin: Twin) -> None:
    assert error(twin, "SELECT note FROM odd.remote WHERE id = 5") == FOREIGN
