"""Statements that are long, wide or deep: read in linear time, or not read for a reason, and never at others' cost."""

import subprocess
import sys
import time

import pytest

from analyzer.advise.candidates import candidates
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import NotExamined
from analyzer.postgres.lex import MOST_CHARACTERS, TooLongError, lex
from analyzer.workload.bindings import bindings
from analyzer.workload.nesting import MOST_LEVELS
from analyzer.workload.one_shape import grouped
from analyzer.workload.parse import parse_file, parse_statements
from analyzer.workload.plannable import make_plannable
from analyzer.workload.scopes import resolve
from analyzer.workload.shapes import Shape, TableShape, shape, shapes
from analyzer.workload.system_statements import tableless
from analyzer.workload.tree import UnreadableError, parse
from tests.operator_classes import of_extensions
from tests.unit import catalogs

CATALOG = catalogs.snapshot(
    catalogs.table("t", "a integer, b text, c integer"),
    catalogs.table("wide", ", ".join(f"c{number} integer" for number in range(1600))),
    catalogs.table("again", "a integer", definition="SELECT a FROM again"),
    *(
        catalogs.table(f"v{n}", "a integer", definition=f"SELECT x.a FROM v{n - 1} x JOIN v{n - 1} y ON x.a = y.a")
        for n in range(1, 40)
    ),
    catalogs.table("v0", "a integer", definition="SELECT a FROM t"),
    columns=[catalogs.statistics("t", "a", histogram="{1,5,9}"), catalogs.statistics("t", "b", histogram="{x,y}")],
)


def read(text: str) -> Shape | NotExamined:
    """Do all that is done with a statement before a planner sees it."""
    workload = parse_file(text)
    tableless(workload.statements, CATALOG)
    (statement,) = workload.statements
    found = shape(statement, CATALOG)
    if isinstance(found, Shape):
        candidates([found], CATALOG, of_extensions())
        bindings(statement, found, CATALOG)
    return found


def chain(operator: str, count: int, term: str = "a = {}") -> str:
    return operator.join(term.format(f"${number}") for number in range(1, count + 1))


@pytest.mark.parametrize("count", [1000, 5000])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT b FROM t WHERE {or}",
        "SELECT b FROM t WHERE {and}",
        "SELECT b FROM t WHERE a = 1 + {plus}",
        "SELECT {cat} FROM t LIMIT 3",
        "{union}",
        "SELECT b FROM t WHERE a IN ({list})",
        "SELECT CASE {when} END FROM t",
        "SELECT a{casts} FROM t",
        "INSERT INTO t (a, b) VALUES {rows}",
        "SELECT b FROM t ORDER BY {names}",
    ],
)
def test_long_chains_are_read(text: str, count: int) -> None:
    parts = {
        "{or}": chain(" OR ", count),
        "{and}": chain(" AND ", count, "a > {}"),
        "{plus}": " + ".join(["1"] * count),
        "{cat}": chain(" || ", count, "{}"),
        "{union}": " UNION ALL ".join(["SELECT b FROM t WHERE a = $1"] * count),
        "{list}": chain(", ", count, "{}"),
        "{when}": " ".join(["WHEN a = 1 THEN 2"] * count),
        "{casts}": "::integer" * count,
        "{rows}": ", ".join(["(1, 'x')"] * count),
        "{names}": ", ".join(["a"] * count),
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    found = read(text)
    assert isinstance(found, Shape)
    assert {each.table for each in found.tables} == {"t"}


def test_arms_of_many_ors_beside_many_tables_are_few() -> None:
    joins = "".join(f" JOIN t x{number} ON x{number}.a = y.a" for number in range(600))
    ors = " AND ".join(f"(y.a = {number} AND y.c = 1 OR y.a = 2 AND y.c = {number})" for number in range(600))
    first, *others = read_tables(f"SELECT y.b FROM t y{joins} WHERE {ors}")
    assert len(first.arms) == 16
    assert not any(each.arms for each in others)


def test_a_chain_says_what_a_short_one_says() -> None:
    (short,) = read_tables(f"SELECT b FROM t WHERE {chain(' OR ', 3)}")
    (long,) = read_tables(f"SELECT b FROM t WHERE {chain(' OR ', 3000)}")
    assert short == long
    assert short.lists == ("a",)


def read_tables(text: str) -> tuple[TableShape, ...]:
    found = read(text)
    assert isinstance(found, Shape)
    return found.tables


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("(", ")"), ("CASE WHEN true THEN ", " END"), ("lower(", ")"), ("NOT ", ""), ("- ", ""), ("(SELECT ", ")"),
     ("ARRAY[", "]"), ("date(", ")"), ("numeric[", "]"), ("EXISTS (SELECT 1 WHERE ", ")"), ("b[", "]")],
)  # fmt: skip
@pytest.mark.parametrize("depth", [40, 150, 1000, 20_000])
def test_deep_nesting_is_read_or_refused_at_once(opening: str, closing: str, depth: int) -> None:
    text = f"SELECT {opening * depth}a{closing * depth} FROM t"
    started = time.monotonic()
    found = read(text)
    assert time.monotonic() - started < 20
    if depth > MOST_LEVELS:
        assert isinstance(found, NotExamined)
        assert "nested" in found.reason or "steps" in found.reason


def test_nesting_beyond_the_stack_ends_no_process() -> None:
    text = "SELECT * FROM " + "(SELECT * FROM " * 20_000 + "t" + ") x" * 20_000
    code = "import sys; from analyzer.workload.tree import parse; parse(sys.stdin.read())"
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)
    assert "UnreadableError" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT 1" + " + 1" * 200_000, "more than 250,000 words"),
        ("SELECT '" + "x" * (MOST_CHARACTERS + 1) + "'", "longer than 8 MB"),
        ("SELECT $" + "9" * 5000, "number of one of its parameters"),
        (";", "empty"),
        ("DECLARE" + " for" * 100_000, "DECLARE is a utility"),
    ],
)
def test_what_is_not_read_is_named_with_its_share_of_the_time(text: str, says: str) -> None:
    good = catalogs.recorded("SELECT b FROM t WHERE a = $1", queryid="1", total_ms=750)
    bad = catalogs.recorded(text, queryid="2", total_ms=250)
    workload = parse_statements(CATALOG.model_copy(update={"statements": (good, bad)}))
    assert [each.queryid for each in workload.statements] == ["1"]
    (gap,) = workload.not_examined
    assert says in gap.reason
    assert gap.what.endswith(" with 25.0 % of the recorded time")
    assert gap.query == (text if len(text) <= 10_000 else f"{text[:10_000]}…")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "+" * 100_000 + "1",
        "SELECT a " + "=" * 100_000 + " 1 FROM t",
        "SELECT " + "(" * 30_000 + "1" + ") $1" * 30_000,
        "SELECT " + "a = ANY (ARRAY[" * 20_000 + "$1" + "])" * 20_000,
        "SELECT " + "a[1]" + "[1]" * 40_000 + " FROM t",
    ],
)
def test_no_text_takes_quadratic_time(text: str) -> None:
    started = time.monotonic()
    for statement in parse_file(text).statements:
        shape(statement, CATALOG)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("unit", "depth"),
    [
        ("column_a[{}]", 190),
        ("(t.column_of_t).attribute[{}]", 190),
        ("a IN (SELECT a FROM t WHERE {})", 100),
        ("(SELECT 1 FROM t, ({}) y)", 60),
    ],
)
def test_half_a_megabyte_of_deep_text_is_refused_at_once(unit: str, depth: int) -> None:
    opening, closing = unit.split("{}")
    deep = opening * depth + "$1" + closing * depth
    text = "SELECT " + ", ".join([deep] * (500_000 // len(deep))) + " FROM t"
    good = catalogs.recorded("SELECT b FROM t WHERE a = $1", queryid="1", total_ms=750)
    bad = catalogs.recorded(text, queryid="2", total_ms=250)
    snapshot = CATALOG.model_copy(update={"statements": (good, bad)})
    started = time.monotonic()
    statements = parse_statements(snapshot).statements
    tableless(statements, snapshot)
    grouped(statements, snapshot)
    known, refused = shapes(statements, snapshot)
    assert time.monotonic() - started < 60
    assert len(known) == 1
    assert [gap.reason for gap in refused] == ["too much of it is nested more than 10 levels deep"]


def test_short_texts_that_take_long_are_refused() -> None:
    found = read(f"SELECT {'numeric[' * 10}$1{']' * 10} FROM t")
    assert isinstance(found, NotExamined)
    assert "steps" in found.reason
    assert isinstance(read(f"SELECT b FROM t WHERE a = {'date(' * 5}$1{')' * 5}"), Shape)


def test_a_file_of_many_statements_may_be_long() -> None:
    with pytest.raises(TooLongError):
        lex("SELECT 1;\n" * 90_000)
    assert len(parse_file("SELECT 1;\n" * 90_000).statements) == 90_000


@pytest.mark.parametrize("name", ["again", "v39"])
def test_views_that_double_or_read_themselves_have_an_end(name: str) -> None:
    with pytest.raises(UnreadableError):
        resolve(f"SELECT a FROM {name}", Catalog(CATALOG))


@pytest.mark.parametrize(
    "joined", ["SELECT * FROM q{0} UNION ALL SELECT * FROM q{0}", "SELECT x.* FROM q{0} x, q{0} y"]
)
def test_with_queries_that_double_are_read_once_each(joined: str) -> None:
    queries = "".join(f", q{number} AS ({joined.format(number - 1)})" for number in range(1, 41))
    found = read(f"WITH q0 AS (SELECT a FROM t){queries} SELECT * FROM q40 WHERE a = $1")
    assert isinstance(found, Shape)
    assert found.tables[0].equalities == ("a",)


def test_columns_that_double_at_every_step_have_an_end() -> None:
    queries = "".join(f", q{n} AS (SELECT * FROM q{n - 1} x, q{n - 1} y)" for n in range(1, 40))
    assert isinstance(read(f"WITH q0 AS (SELECT a, b FROM t){queries} SELECT * FROM q39"), Shape)


def test_a_wide_statement_has_few_candidates() -> None:
    filters = " AND ".join(f"c{n} = ${n + 1}" for n in range(800))
    ranges = " AND ".join(f"c{n} > ${n + 1}" for n in range(800, 1600))
    joins = " ".join(f"JOIN t t{n} ON t{n}.a = w.c{n}" for n in range(500))
    workload = parse_file(f"SELECT w.* FROM wide w {joins} WHERE {filters} AND {ranges}")
    found, gaps = shapes(workload.statements, CATALOG)
    assert not gaps
    started = time.monotonic()
    assert 0 < len(candidates(found, CATALOG, of_extensions())) <= 120
    assert time.monotonic() - started < 20


def test_rewriting_leaves_ordinary_statements_as_they_were() -> None:
    assert make_plannable("SELECT varchar(10) $1, f(1) $2", rows_per_call=None) == "SELECT $1::varchar(10), $2::f(1)"
    assert parse("SELECT 1") is parse("SELECT 1")
