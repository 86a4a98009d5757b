"""What the server refuses of extended statistics lint finds, and what it takes lint takes, on every version."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.checks.lint import lint
from analyzer.checks.registry import LINT_RULES
from analyzer.checks.rule import Known
from analyzer.checks.spec.context import known_of
from analyzer.db import Connection, connect
from analyzer.documents.findings import FindingsDocument
from analyzer.specs.statistics import StatisticsSpec
from analyzer.specs.tolerant import load_sources
from analyzer.specs.yaml_tree import dump_mapping
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database
from tests.server.servers import VERSIONS, server_of

#: Rule, SQLSTATE, and the spec without its name.
BAD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("TX130", "42P17", {"columns": ["a"]}),
    ("TX130", "42701", {"columns": ["a", "b", "a"]}),
    ("TX130", "42701", {"columns": ["a"], "expressions": ["b + 1", "b + 1"]}),
    ("TX130", "54011", {"columns": [f"c{number}" for number in range(9)]}),
    ("TX131", "42703", {"columns": ["a", "missing"]}),
    ("TX131", "0A000", {"columns": ["a", "ctid"]}),
    ("TX132", "0A000", {"columns": ["a", "j"]}),
    ("TX132", "0A000", {"columns": ["a", "p"]}),
    ("TX132", "0A000", {"columns": ["a"], "expressions": ["j -> 'x'"]}),
    ("TX133", "0A000", {"kinds": ["mcv"], "expressions": ["a + b"]}),
    ("TX134", "42803", {"columns": ["a"], "expressions": ["count(*)"]}),
    ("TX134", "42P20", {"columns": ["a"], "expressions": ["row_number() OVER ()"]}),
    ("TX134", "0A000", {"columns": ["a"], "expressions": ["(SELECT 1)"]}),
    ("TX134", "0A000", {"columns": ["a"], "expressions": ["generate_series(1, a)"]}),
    ("TX134", "42883", {"columns": ["a"], "expressions": ["no_such_function(a)"]}),
    ("TX134", "42601", {"columns": ["a"], "expressions": ["a +"]}),
)
GOOD: tuple[dict[str, Any], ...] = (
    {"columns": ["b", "a"]},
    {"kinds": ["mcv", "dependencies"], "columns": ["a", "s"], "target": 100},
    {"expressions": ["a + b"]},
    {"columns": ["a"], "expressions": ["lower(s)", "j ->> 'x'"]},
    {"columns": [f"c{number}" for number in range(8)]},
)
CHANGING = ("now() - d", "random()", "d::text", "current_date - d::date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    connection: Connection
    known: Known
    twin: Twin

    def lint(self, directory: Path, spec: dict[str, Any]) -> FindingsDocument:
        entry = dump_mapping({"name": "st", **spec}).rstrip("\n").replace("\n", "\n    ")
        path = directory / "item.yaml"
        path.write_text(f"table: public.item\nstatistics:\n  - {entry}\n", encoding="utf-8")
        return lint(load_sources([path]), today=dt.date(2026, 1, 1), known=self.known, build=self.twin.canonical)

    def refuses(self, spec: dict[str, Any]) -> str | None:
        """Return the SQLSTATE of the server's refusal."""
        definition = StatisticsSpec.model_validate({"name": "st", **spec}).definition("public", "item")
        try:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(definition.ddl().encode())
        except psycopg.Error as error:
            return error.sqlstate
        return None


@pytest.fixture(scope="module", params=VERSIONS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with server_of(request) as server, fresh_database(server) as url, connect(url, autocommit=True) as connection:
        more = ", ".join(f"c{number} int" for number in range(9))
        connection.execute(f"CREATE TABLE item (a int, b int, s text, j json, p point, d timestamptz, {more})".encode())
        captured = capture(url, statements=False)
        with open_twin(captured) as twin:
            yield Bench(connection=connection, known=known_of(Catalog(captured)), twin=twin)


@pytest.mark.parametrize(("code", "sqlstate", "spec"), BAD, ids=str)
def test_both_refuse_it(bench: Bench, tmp_path: Path, code: str, sqlstate: str, spec: dict[str, Any]) -> None:
    if sqlstate != "42601":  # an expression that is none never reaches a server
        assert bench.refuses(spec) == sqlstate
    assert sqlstate in LINT_RULES[code].sqlstates
    assert [finding.code for finding in bench.lint(tmp_path, spec).findings] == [code]


@pytest.mark.parametrize("spec", GOOD, ids=str)
def test_both_take_it(bench: Bench, tmp_path: Path, spec: dict[str, Any]) -> None:
    assert bench.refuses(spec) is None
    document = bench.lint(tmp_path, spec)
    assert document.findings == ()
    assert all((c.examined, c.skipped) == (1, 0) for c in document.checks if LINT_RULES[c.code].kind == "statistics")


@pytest.mark.parametrize("expression", CHANGING)
def test_the_server_takes_what_is_not_immutable_and_lint_warns_of_it(
    bench: Bench, tmp_path: Path, expression: str
) -> None:
    spec = {"columns": ["a"], "expressions": ["a + b", expression]}
    assert bench.refuses(spec) is None
    (finding,) = bench.lint(tmp_path, spec).findings
    assert (finding.code, finding.severity) == ("TX218", "warning")
    assert "IMMUTABLE" in finding.message


def test_the_corpus_covers_every_error_a_server_makes() -> None:
    errors = {rule.code for rule in LINT_RULES.values() if rule.severity == "error" and rule.kind == "statistics"}
    assert errors - {code for code, _, _ in BAD} == {"TX135"}  # a name is cut, or taken by another table's
