"""`lists: auto` is one number for one table, whoever resolves it: lint, check, revise, propose, autogenerate."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from sqlalchemy import create_engine

from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.checks.drift import find_drift
from analyzer.checks.lint import lint
from analyzer.checks.spec.context import known_of
from analyzer.db import sqlalchemy_url
from analyzer.documents.snapshot import Snapshot
from analyzer.migrate.plan.alembic_catalog import Live
from analyzer.migrate.plan.revision import revise
from analyzer.objects.definition import D
from analyzer.objects.index import IndexDef
from analyzer.specs.diff import Canonical
from analyzer.specs.file import SpecSet, load_specs
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.declared import declared

SETUP = """
CREATE EXTENSION vector;
CREATE TABLE part (id int, spot vector(2)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (24000);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (24000) TO (40000) PARTITION BY RANGE (id);
CREATE TABLE part_2_1 PARTITION OF part_2 FOR VALUES FROM (24000) TO (40000);
CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (40000) TO (90000);
CREATE TABLE plain (id int, spot vector(2));
CREATE TABLE heir (id int, spot vector(2));
CREATE TABLE heir_1 () INHERITS (heir);
CREATE TABLE fresh (id int, spot vector(2));
INSERT INTO part SELECT i, '[1,2]' FROM generate_series(0, 29999) AS i;
INSERT INTO plain SELECT i, '[1,2]' FROM generate_series(1, 15000) AS i;
INSERT INTO heir SELECT i, '[1,2]' FROM generate_series(1, 12000) AS i;
INSERT INTO heir_1 SELECT i, '[1,2]' FROM generate_series(1, 40000) AS i;
ANALYZE part_1, part_2_1, plain, heir, heir_1
"""
#: 24,000 and 6,000 rows below; nobody has analysed the partitioned table itself, nor its empty partition.
LISTS = {"part": 30, "plain": 15, "heir": 12, "fresh": 10}
SPEC = "table: public.{0}\nindexes:\n  - {{name: ix_{0}, method: ivfflat, keys: [spot], with: {{lists: auto}}}}\n"

#: Resolves the specs of a directory, and hands each definition on.
Door = Callable[[Path, SpecSet, Snapshot, Canonical], object]


def by_lint(directory: Path, _: SpecSet, snapshot: Snapshot, see: Canonical) -> None:
    lint(load_sources([directory]), today=dt.date(2026, 1, 1), known=known_of(Catalog(snapshot)), build=see)


def by_check(_: Path, specs: SpecSet, snapshot: Snapshot, see: Canonical) -> None:
    find_drift(specs, snapshot, see)


def by_revise(directory: Path, specs: SpecSet, snapshot: Snapshot, see: Canonical) -> None:
    config = Config()
    config.set_main_option("script_location", str(directory / "migrations"))
    (directory / "migrations" / "versions").mkdir(parents=True)
    template = Path(__file__).parents[2] / "migrations" / "script.py.mako"
    (directory / "migrations" / "script.py.mako").write_bytes(template.read_bytes())
    written = revise(snapshot, specs, config, message="m", canonical=see)
    assert written is not None
    for lists in LISTS.values():
        assert f"lists = {lists}" in written.read_text()


def by_propose(_: Path, specs: SpecSet, snapshot: Snapshot, see: Canonical) -> None:
    for each in declared(specs, snapshot):
        see(each.index)


DOORS: tuple[Door, ...] = (by_lint, by_check, by_revise, by_propose)


@pytest.fixture
def loaded(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in SETUP.split(";\n"):
            connection.execute(statement.encode())
    return database


def test_every_door_resolves_it_alike(loaded: str, tmp_path: Path) -> None:
    for table in LISTS:
        (tmp_path / f"{table}.yaml").write_text(SPEC.format(table))
    specs, snapshot = load_specs(tmp_path), capture(loaded, statements=False)
    for door in DOORS:
        seen: dict[str, int] = {}

        def see(wanted: D, seen: dict[str, int] = seen) -> D:
            assert isinstance(wanted, IndexDef)
            seen[wanted.table] = int(dict(wanted.parameters)["lists"])
            return wanted

        door(tmp_path, specs, snapshot, see)
        assert seen == LISTS, door.__name__


def test_a_live_connection_counts_as_the_capture_does(loaded: str, tmp_path: Path) -> None:
    for table in LISTS:
        (tmp_path / f"{table}.yaml").write_text(SPEC.format(table))
    catalog, specs = Catalog(capture(loaded, statements=False)), load_specs(tmp_path).specs
    engine = create_engine(sqlalchemy_url(loaded))
    with engine.connect() as connection:
        live = Live(connection, specs)
        found = {table: live.rows("public", table) for table in LISTS}
    engine.dispose()
    assert found == {table: catalog.indexed_rows("public", table) for table in LISTS}
    assert found == {"part": 30_000, "plain": 15_000, "heir": 12_000, "fresh": None}
    heir = catalog.find(None, "heir")
    assert heir is not None
    assert catalog.rows(heir) == 52_000, "reading it reads its heirs, an index of it does not hold them"


def test_the_catalog_finds_what_refers_to_a_table_and_what_a_name_means(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.item (id int PRIMARY KEY)",
            "CREATE TABLE item (id int PRIMARY KEY, parent int REFERENCES item, item int REFERENCES shop.item)",
        ):
            connection.execute(statement.encode())
    catalog = Catalog(capture(database, statements=False))
    own = [(each.name, key.columns) for each, key in catalog.referencing("public", "item")]
    other = [(each.name, key.columns) for each, key in catalog.referencing("shop", "item")]
    assert (own, other) == ([("item", ("parent",))], [("item", ("item",))])
    assert catalog.referencing("public", "absent") == ()
    found = catalog.find(None, "item"), catalog.find("shop", "item"), catalog.find("shop", "absent")
    assert [each.schema_name if each else None for each in found] == ["public", "shop", None]
    index = catalog.index("shop", "item_pkey")
    assert index is not None
    assert index.definition.table == "item"
