"""Every bad spec is refused by us and by the server, with the SQLSTATE the rule names; every fix is taken by both."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.checks.lint import lint
from analyzer.checks.registry import RULES
from analyzer.checks.rule import Known
from analyzer.checks.spec.context import known_of
from analyzer.db import Connection, connect
from analyzer.documents.findings import FindingsDocument
from analyzer.postgres.access_methods import METHODS, OPERATOR_CLASSES, Whole
from analyzer.specs.diff import Canonical
from analyzer.specs.edits import Edit, apply_edits
from analyzer.specs.fields import parse_table
from analyzer.specs.file import load_specs
from analyzer.specs.index import IndexSpec
from analyzer.specs.tolerant import load_sources
from analyzer.specs.yaml_tree import dump_mapping, parse_tree
from analyzer.twin.twin import open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import new_database
from tests.server.lint_corpus import BAD, GOOD, OBJECTS, VECTOR_BAD, VECTOR_GOOD, VECTOR_OBJECTS, Bad
from tests.server.servers import PACKAGED, server_of

TODAY = dt.date(2026, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A server with the corpus' tables, and the twin of it."""

    connection: Connection
    known: Known
    build: Canonical
    vector: bool

    def lint(self, path: Path, *, exact: bool = True) -> FindingsDocument:
        """Lint one file."""
        known, build = (self.known, self.build) if exact else (None, None)
        return lint(load_sources([path]), today=TODAY, known=known, build=build)

    def refuses(self, ddl: str) -> str | None:
        """Return the SQLSTATE the server answers to a statement; None when it takes it."""
        try:
            if "CONCURRENTLY" in ddl:
                self.connection.execute(ddl.encode())
            else:
                with self.connection.transaction(force_rollback=True):
                    self.connection.execute(ddl.encode())
        except psycopg.Error as error:
            return error.sqlstate
        return None


def write(directory: Path, table: str, *entries: dict[str, Any]) -> Path:
    """Write a spec file."""
    path = directory / f"{table}.yaml"
    body = "".join("  - " + dump_mapping(entry).rstrip("\n").replace("\n", "\n    ") + "\n" for entry in entries)
    path.write_text(f"table: {table}\nindexes:\n{body}", encoding="utf-8")
    return path


def codes(document: FindingsDocument) -> set[str]:
    """Return the codes of the errors found."""
    return {finding.code for finding in document.findings if finding.severity == "error"}


@pytest.fixture(scope="module", params=PACKAGED)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench on each available major version."""
    with server_of(request) as url:
        yield from _bench(url, vector=request.param == "embedded")


def _bench(server: str, *, vector: bool) -> Iterator[Bench]:
    with new_database(server) as url, connect(url, autocommit=True) as connection:
        for statement in (*OBJECTS, *(VECTOR_OBJECTS if vector else ())):
            connection.execute(statement.encode())
        connection.execute("ANALYZE")
        snapshot = capture(url, statements=False)
        known = known_of(Catalog(snapshot))
        with open_twin(snapshot) as twin:
            assert not [gap for gap in lacking(twin) if not gap.what.startswith("statistics of ")]
            yield Bench(connection=connection, known=known, build=twin.canonical, vector=vector)


def _ddl(table: str, entry: dict[str, Any]) -> str:
    schema, name = parse_table(table)
    return IndexSpec.model_validate(entry).definition(schema, name, None).ddl()


@pytest.mark.parametrize("bad", [*BAD, *VECTOR_BAD], ids=str)
def test_both_refuse_it(bench: Bench, bad: Bad, tmp_path: Path) -> None:
    if bad in VECTOR_BAD and not bench.vector:
        pytest.skip("this server has no pgvector")
    path = write(tmp_path, bad.table, bad.entry)
    assert bench.refuses(bad.ddl or _ddl(bad.table, bad.entry)) == bad.sqlstate
    assert bad.sqlstate in RULES[bad.code].sqlstates
    assert bad.code in codes(bench.lint(path))
    assert (bad.code in codes(bench.lint(path, exact=False))) == bad.offline


@pytest.mark.parametrize("bad", [each for each in (*BAD, *VECTOR_BAD) if each.fixed], ids=str)
def test_both_take_its_fix(bench: Bench, bad: Bad, tmp_path: Path) -> None:
    if bad in VECTOR_BAD and not bench.vector:
        pytest.skip("this server has no pgvector")
    path = write(tmp_path, bad.table, bad.entry)
    finding = next(f for f in bench.lint(path).findings if f.code == bad.code)
    assert finding.fix is not None
    _, changed = parse_tree(finding.fix)
    entry = bad.entry | (cast("dict[str, Any]", changed) if isinstance(changed, dict) else {})
    for line in finding.fix.splitlines():
        if line.startswith("# remove "):
            del entry[line.removeprefix("# remove ")]
    edits = [Edit(**edit.model_dump()) for edit in finding.edits]
    path.write_text(apply_edits(path.read_text(encoding="utf-8"), edits), encoding="utf-8")
    _, edited = parse_tree(path.read_text(encoding="utf-8"))
    assert cast("Any", edited)["indexes"] == [entry]
    assert codes(bench.lint(path)) == set()
    assert bench.refuses(_ddl(bad.table, entry)) is None
    assert bad.code not in codes(bench.lint(path, exact=False))


@pytest.mark.parametrize("spec", GOOD, ids=str)
def test_both_take_what_is_good(bench: Bench, spec: dict[str, Any], tmp_path: Path) -> None:
    _take(bench, "shop.item", spec, tmp_path)


@pytest.mark.parametrize("spec", VECTOR_GOOD, ids=str)
def test_both_take_good_vector_indexes(bench: Bench, spec: dict[str, Any], tmp_path: Path) -> None:
    if not bench.vector:
        pytest.skip("this server has no pgvector")
    _take(bench, "shop.doc", spec, tmp_path)


def _take(bench: Bench, table: str, spec: dict[str, Any], tmp_path: Path) -> None:
    entry = {"name": "ix_good", **spec}
    path = write(tmp_path, table, entry)
    assert bench.refuses(_ddl(table, entry)) is None
    assert codes(bench.lint(path)) == set()
    assert codes(bench.lint(path, exact=False)) == set()
    for check in bench.lint(path).checks:
        if RULES[check.code].decided_by_server and RULES[check.code].kind == "index":
            assert (check.examined, check.skipped) == (1, 0)


def test_a_name_that_is_too_long_is_cut_by_the_server_and_an_error_here(bench: Bench, tmp_path: Path) -> None:
    name = "ix_" + "é" * 31
    notices: list[str | None] = []
    bench.connection.add_notice_handler(lambda diagnostic: notices.append(diagnostic.sqlstate))
    assert bench.refuses(f"CREATE INDEX {name} ON shop.item (a)") is None
    assert notices == ["42622"]
    path = write(tmp_path, "shop.item", {"name": name, "keys": ["a"]})
    assert codes(bench.lint(path, exact=False)) == {"TX114"}
    assert "65 bytes" in bench.lint(path).findings[0].message


def test_nulls_not_distinct_says_nothing_without_unique(bench: Bench, tmp_path: Path) -> None:
    assert bench.refuses("CREATE INDEX ON shop.item (a) NULLS NOT DISTINCT") is None
    path = write(tmp_path, "shop.item", {"name": "ix_bad", "keys": ["a"], "nulls_not_distinct": True})
    assert codes(bench.lint(path)) == {"TX125"}


def test_the_table_of_methods_is_the_servers(bench: Bench) -> None:
    properties = {
        "unique": "can_unique",
        "include": "can_include",
        "order": "can_order",
        "multicolumn": "can_multi_col",
    }
    rows = bench.connection.execute("SELECT oid, amname FROM pg_am WHERE amtype = 'i'").fetchall()
    checked = 0
    for row in rows:
        for ours, theirs in properties.items():
            query = "SELECT pg_indexam_has_property(%(oid)s, %(name)s) AS able"
            found = bench.connection.execute(query, {"oid": row["oid"], "name": theirs}).fetchone()
            assert found is not None
            assert getattr(METHODS[row["amname"]], ours) == found["able"], (row["amname"], ours)
            checked += 1
    assert checked == (36 if bench.vector else 28)


def test_the_table_of_operator_classes_is_the_servers(bench: Bench) -> None:
    rows = bench.connection.execute(
        "SELECT DISTINCT opcname, amname FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod"
    ).fetchall()
    live = {(row["opcname"], row["amname"]) for row in rows}
    installed = {None, *(row["extname"] for row in bench.connection.execute("SELECT extname FROM pg_extension"))}
    known = {
        (name, method.name): extension in installed
        for method in METHODS.values()
        for name, extension in method.operator_classes.items()
    }
    assert {pair for pair, is_there in known.items() if is_there} == {pair for pair in live if pair in known}
    assert not [pair for pair in live if pair[0] in OPERATOR_CLASSES and pair not in known]
    assert len(live & known.keys()) >= (45 if bench.vector else 24)


def test_the_bounds_of_storage_parameters_are_the_servers(bench: Bench) -> None:
    """The server says its bounds when it refuses what is out of them."""
    keys = {"gist": "p", "spgist": "p", "gin": "tags", "ivfflat": "v", "hnsw": "v vector_l2_ops", "bloom": "a"}
    checked = 0
    for method in METHODS.values():
        if method.extension == "vector" and not bench.vector:
            continue
        table = "shop.doc" if method.extension == "vector" else "shop.item"
        for name, option in method.parameters.items():
            if not isinstance(option, Whole) or name == "m":  # out of bounds, m is refused beside ef_construction
                continue
            ddl = f"CREATE INDEX ON {table} USING {method.name} ({keys.get(method.name, 'a')}) WITH ({name} = {{}})"
            assert [bench.refuses(ddl.format(number)) for number in (option.least - 1, option.most + 1)] == [
                "22023"
            ] * 2
            checked += 1
    assert checked > 35


def test_the_corpus_covers_every_error_a_server_makes() -> None:
    tried = {bad.code for bad in (*BAD, *VECTOR_BAD)}
    errors = {
        rule.code for rule in RULES.values() if rule.severity == "error" and rule.sqlstates and rule.kind == "index"
    }
    assert errors - tried == {"TX125", "TX126"}  # TX125 is taken by the server, TX126 is about two specs


def test_the_reference_specs_load_as_lint_reads_them() -> None:
    directory = Path(__file__).parents[2] / "index_specs"
    entries = [entry.declared for source in load_sources([directory]) for entry in source.entries]
    assert tuple(entries) == load_specs(directory).indexes
