"""Definitions are printed by a flat twin, which is built only when one has to be, and prints many at once."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError, InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.file import SpecSet, load_specs
from analyzer.specs.pull import pull
from analyzer.twin.definitions import open_definitions
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.twin import open_twin
from analyzer.workflows.check import check
from analyzer.workflows.revise import revise
from tests.conftest import fresh_database

SCHEMA = b"""
CREATE TYPE state AS ENUM ('open', 'closed');
CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN lower($1);
CREATE TABLE item (id bigint PRIMARY KEY, title text, state state, doc jsonb, at timestamptz);
CREATE TABLE part (id bigint, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_us PARTITION OF part FOR VALUES IN ('us');
CREATE INDEX item_at ON item (at);
CREATE INDEX item_slug ON item (slug(title)) WHERE state = 'open';
"""
SPECS = """
table: public.item
indexes:
  - {name: item_at, keys: [at]}
  - {name: item_slug, keys: [{expression: slug(title)}], where: "state = 'open'::state"}
"""
#: Where no server is.
NO_SERVER = PlannerChoice(bin_dir=Path("/no/such/directory"))


def index(*keys: str, table: str = "item", where: str | None = None, unique: bool = False) -> IndexDef:
    made = tuple(Key(expression=key) if "(" in key else Key(column=key) for key in keys)
    name = f"i_{len(repr(keys))}"
    return IndexDef(schema="public", table=table, name=name, keys=made, where=where, unique=unique)


ASKED = (
    index("title"),
    index("at"),
    index("(lower(title))"),
    index("(slug( title ))", "id", where="state  =  'open'"),
    index("region", table="part"),
    index("region", "id", table="part", unique=True),
    index("region", table="part"),
)
REFUSED = (index("no_such_column"), index("(now())"), index("title", where="true; DROP TABLE item"))


@pytest.fixture(scope="module")
def database_url(any_server: str) -> Iterator[str]:
    with fresh_database(any_server) as url:
        with connect(url) as connection:
            connection.execute(SCHEMA)
        yield url


@pytest.fixture(scope="module")
def snapshot(database_url: str) -> Snapshot:
    return capture(database_url, statements=False, planning=False)


def specs(directory: Path, more: str = "") -> SpecSet:
    (directory / "item.yaml").write_text(SPECS + more)
    return load_specs(directory)


def test_what_is_built_together_is_what_is_built_alone(snapshot: Snapshot) -> None:
    with open_twin(snapshot) as twin:
        alone = [(twin.canonical(each), twin.server_ddl(each)) for each in ASKED]
    with open_definitions(snapshot, ASKED) as definitions:
        together = [(definitions.canonical(each), definitions.server_ddl(each)) for each in ASKED]
    assert together == alone
    assert [definition.name for definition, _ in together] == [each.name for each in ASKED]


def test_what_the_server_rejects_costs_no_other_definition_its_print(snapshot: Snapshot) -> None:
    with open_definitions(snapshot, (*REFUSED, *ASKED)) as definitions, open_definitions(snapshot, ASKED) as others:
        for each in REFUSED:
            with pytest.raises(InputError):
                definitions.canonical(each)
        assert [definitions.canonical(each) for each in ASKED] == [others.canonical(each) for each in ASKED]


def test_what_nobody_expected_is_printed_as_well(snapshot: Snapshot) -> None:
    with open_definitions(snapshot, ()) as definitions:
        assert definitions.planner is None
        assert definitions.canonical(index("region", table="part")).table == "part"
        assert definitions.planner is not None


def test_an_index_on_columns_that_exists_is_known_without_a_server(snapshot: Snapshot) -> None:
    with open_definitions(snapshot, [index("at")], wanted=NO_SERVER) as definitions:
        assert definitions.canonical(index("at")) == index("at")
        with pytest.raises(CapabilityError):  # a function can have changed since an index on it was built
            definitions.canonical(next(each.definition for each in snapshot.indexes if each.definition.where))


def test_no_server_is_started_where_specs_and_database_agree(snapshot: Snapshot, tmp_path: Path) -> None:
    pull(snapshot, tmp_path)
    agreed = load_specs(tmp_path)
    document = check(snapshot, agreed, tmp_path / "alembic.ini", choice=NO_SERVER)
    assert not [each for each in document.findings if each.code.startswith("TX3")]
    assert document.basis == f"database {snapshot.server.database}"
    assert revise(snapshot, agreed, tmp_path / "alembic.ini", message="m", choice=NO_SERVER) is None


def test_a_server_prints_what_does_not_agree_as_written(snapshot: Snapshot, tmp_path: Path) -> None:
    differing = specs(tmp_path, "  - {name: item_title, keys: [title]}\n")
    with pytest.raises(CapabilityError):
        check(snapshot, differing, tmp_path / "alembic.ini", choice=NO_SERVER)
    document = check(snapshot, differing, tmp_path / "alembic.ini")
    assert [each.code for each in document.findings if each.code.startswith("TX30")] == ["TX301"]
    assert "prints them" in document.basis


def test_a_capture_for_definitions_has_the_same_objects(database_url: str, snapshot: Snapshot) -> None:
    whole = capture(database_url, statements=False)
    assert [each.definition for each in snapshot.indexes] == [each.definition for each in whole.indexes]
    assert [each.columns for each in snapshot.relations] == [each.columns for each in whole.relations]
    assert snapshot.extremes == ()


def test_a_tablespace_is_no_reason_to_build_an_index_that_exists(snapshot: Snapshot) -> None:
    elsewhere = dataclasses.replace(index("at"), tablespace="fast")
    with open_definitions(snapshot, [elsewhere], wanted=NO_SERVER) as definitions:
        assert definitions.canonical(elsewhere) == elsewhere
