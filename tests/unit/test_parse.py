"""Statements are recognised, given an identity, and made plannable without a server."""

import pytest

from analyzer.postgres.lex import IncompleteError, lex
from analyzer.workload import tree
from analyzer.workload.parse import Statement, Workload, parse_file, parse_statements
from tests.unit.catalogs import recorded, snapshot


def only(workload: Workload) -> Statement:
    assert not workload.not_examined
    (statement,) = workload.statements
    return statement


def from_server(query: str, *, calls: int = 100, rows: int = 1000) -> Statement:
    return only(parse_statements(snapshot(statements=[recorded(query, calls=calls, rows=rows)])))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a<=>$1,$2", ["a", "<=>", "$1", ",", "$2"]),
        ("x=-1", ["x", "=", "-", "1"]),
        ("a @>-b", ["a", "@>-", "b"]),
        ("a--b\n+c", ["a", "--b", "+", "c"]),
        ("/* a /* b */ c */ d", ["/* a /* b */ c */", "d"]),
        (r"E'a\'b' 'a''b' U&'x' $$;$$ $t$ $$ $t$", [r"E'a\'b'", "'a''b'", "U&'x'", "$$;$$", "$t$ $$ $t$"]),
        ('"a""b".c::int[]', ['"a""b"', ".", "c", "::", "int", "[", "]"]),
        ("1.5e-3 .5 1..2 0xff", ["1.5e-3", ".5", "1", "..", "2", "0xff"]),
        ("a->>'b' ?| c", ["a", "->>", "'b'", "?|", "c"]),
        ("a*/**/b", ["a", "*", "/**/", "b"]),
    ],
)
def test_text_is_cut_into_the_servers_tokens(text: str, tokens: list[str]) -> None:
    assert [token.text for token in lex(text)] == tokens


@pytest.mark.parametrize("text", ["SELECT 'abc", "SELECT /* x", 'SELECT "a', "SELECT $$x", "SELECT E'a\\'"])
def test_text_cut_short_is_an_error(text: str) -> None:
    with pytest.raises(IncompleteError):
        lex(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM t WHERE id = 1", "select *  from T where id = $1 -- route='/x'"),
        ("SELECT * FROM t WHERE id IN (1, 2, 3)", "SELECT * FROM t WHERE id IN ($1 /*, ... */)"),
        ("SELECT * FROM t WHERE id IN (1)", "SELECT * FROM t WHERE id IN ($1, $2, $3)"),
        ("SELECT * FROM t WHERE d < date '2020-01-01'", "SELECT * FROM t WHERE d < date $1"),
        ("SELECT extract(year FROM d) FROM t", "SELECT extract($1 FROM d) FROM t"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES ($1, $2)"),
        ("SELECT * FROM t WHERE a = -5 AND b = true", "SELECT * FROM t WHERE a = $1 AND b = $2"),
        ('SELECT "id" FROM "t" WHERE a != 1;', "SELECT id FROM t WHERE a <> 2"),
        ("SELECT * FROM t WHERE id = ANY (ARRAY[1, 2])", "SELECT * FROM t WHERE id = ANY (ARRAY[$1 /*, ... */])"),
    ],
)
def test_the_same_statement_has_the_same_id(one: str, other: str) -> None:
    assert only(parse_file(one)).id == only(parse_file(other)).id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE b = 1"),
        ('SELECT "Id" FROM t', "SELECT id FROM t"),
        ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
        ("SELECT a - 1 FROM t", "SELECT a, 1 FROM t"),
        ("SELECT * FROM t WHERE a IS NULL", "SELECT * FROM t WHERE a IS NOT NULL"),
    ],
)
def test_different_statements_have_different_ids(one: str, other: str) -> None:
    assert only(parse_file(one)).id != only(parse_file(other)).id


def test_the_id_is_frozen_because_reports_and_specs_keep_it() -> None:
    assert only(parse_file("SELECT a FROM t WHERE id = 1")).id == "s3d57fa3b899b"


@pytest.mark.parametrize(
    ("recorded_text", "plannable"),
    [
        ("SELECT * FROM t WHERE d < date $1", "SELECT * FROM t WHERE d < $1::date"),
        ("SELECT date $1 + interval $2 month", "SELECT $1::date + $2::interval"),
        ("SELECT interval $1 year to month, 1", "SELECT $1::interval, 1"),
        ("SELECT interval(0) $1", "SELECT $1::interval(0)"),
        ("SELECT timestamp(3) with time zone $1", "SELECT $1::timestamp(3) with time zone"),
        ("SELECT timestamp with time zone $1 - $2", "SELECT $1::timestamp with time zone - $2::interval"),
        ("SELECT date $1 - $2 FROM t", "SELECT $1::date - $2::integer FROM t"),
        (
            "SELECT double precision $1, character varying(3) $2",
            "SELECT $1::double precision, $2::character varying(3)",
        ),
        ('SELECT "My".kind $1, pg_catalog.date $2', 'SELECT $1::"My".kind, $2::pg_catalog.date'),
        ("SELECT extract($1 FROM d) FROM t", "SELECT extract('epoch' FROM d) FROM t"),
        (
            "SELECT substring(x from $1 for $2), position($3 in x)",
            "SELECT substring(x from $1 for $2), position($3 in x)",
        ),
        (
            "SELECT a FROM t WHERE b = $1 AND c BETWEEN $2 AND $3",
            "SELECT a FROM t WHERE b = $1 AND c BETWEEN $2 AND $3",
        ),
        ("SELECT a FROM t LIMIT $1 OFFSET $2", "SELECT a FROM t LIMIT 10 OFFSET 0"),
        (
            "SELECT a FROM t OFFSET $1 ROWS FETCH FIRST $2 ROWS ONLY",
            "SELECT a FROM t OFFSET 0 ROWS FETCH FIRST 10 ROWS ONLY",
        ),
        ("SELECT (SELECT b FROM u LIMIT $1) FROM t", "SELECT (SELECT b FROM u LIMIT $1) FROM t"),
        ("SELECT a FROM t WHERE b = ANY(ARRAY[$1, $2])", "SELECT a FROM t WHERE b IN ($1, $2)"),
        ("DECLARE c CURSOR FOR SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE b = $1"),
    ],
)
def test_recorded_text_becomes_plannable(recorded_text: str, plannable: str) -> None:
    assert from_server(recorded_text).plannable == plannable


def test_a_list_squashed_by_the_server_gets_the_elements_the_planner_assumes() -> None:
    statement = from_server("SELECT a FROM t WHERE b IN ($1 /*, ... */) AND c = $2")
    assert statement.plannable.count("$1") == 10
    assert statement.parameters == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("WITH a AS (SELECT 1) SELECT * FROM a", "select"),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "delete"),
        ("WITH a AS MATERIALIZED (SELECT 1), b(x) AS (SELECT 2) UPDATE t SET a = 1", "update"),
        ("(SELECT 1) UNION SELECT 2", "select"),
        ("VALUES (1)", "select"),
        ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "merge"),
        ("INSERT INTO t SELECT 1", "insert"),
    ],
)
def test_a_statement_says_what_it_does(text: str, kind: str) -> None:
    assert only(parse_file(text)).kind == kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("VACUUM t", "utility"),
        ("SELECT a FROM t WHERE b = 'cut", "truncated"),
        ("SELECT a FROM t WHERE b IN ($1, ", "truncated"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("-- nothing", "empty"),
        ("SELECT a) FROM t", "do not match"),
    ],
)
def test_what_has_no_plan_is_listed_with_its_reason(text: str, reason: str) -> None:
    workload = parse_statements(snapshot(statements=[recorded(text, queryid="7")]))
    assert not workload.statements
    assert reason in workload.not_examined[0].reason
    assert workload.not_examined[0].query == text


def test_a_file_is_split_at_semicolons_that_end_statements() -> None:
    workload = parse_file("-- first; not a statement\nSELECT ';' FROM a;\n\nSELECT $$;$$ FROM b; ;\nVACUUM")
    assert sorted(statement.text for statement in workload.statements) == ["SELECT $$;$$ FROM b", "SELECT ';' FROM a"]
    assert [each.what for each in workload.not_examined] == ["the statement in line 5"]


def test_entries_of_the_same_statement_are_one_and_the_heaviest_come_first() -> None:
    entries = [
        recorded("SELECT a FROM t WHERE b IN ($1, $2)", total_ms=10, calls=1, rows=1, queryid="1"),
        recorded("SELECT a FROM u", total_ms=50, queryid="2"),
        recorded("SELECT a FROM t WHERE b IN ($1)", total_ms=90, calls=2, rows=3, queryid="3"),
    ]
    first, second = parse_statements(snapshot(statements=entries)).statements
    assert (first.queryid, first.total_ms, first.calls, first.rows) == ("3", 100, 3, 4)
    assert second.queryid == "2"


@pytest.mark.parametrize(
    ("recorded_text", "planned"),
    [
        (
            "SELECT date_trunc($1, at), $2 FROM t GROUP BY Date_Trunc('month', at), b",
            "SELECT date_trunc('month', at), $2 FROM t GROUP BY Date_Trunc('month', at), b",
        ),
        ("SELECT a + $1, a + $2 FROM t ORDER BY a + 1 DESC", "SELECT a + 1, a + 1 FROM t ORDER BY a + 1 DESC"),
        ("SELECT a, $1 FROM t GROUP BY 1 ORDER BY 2", "SELECT a, $1 FROM t GROUP BY 1 ORDER BY 2"),
        ("SELECT a + $1 b, (a + $2) FROM t GROUP BY a + 7", "SELECT a + 7 b, (a + $2) FROM t GROUP BY a + 7"),
        ("SELECT a - $1 FROM t GROUP BY a + 1", "SELECT a - $1 FROM t GROUP BY a + 1"),
        (
            "SELECT a FROM t GROUP BY GROUPING SETS ((b || 'x'), ()) HAVING max(b || $1) > $2",
            "SELECT a FROM t GROUP BY GROUPING SETS ((b || 'x'), ()) HAVING max(b || $1) > $2",
        ),
    ],
)
def test_constants_that_the_text_keeps_are_put_back(recorded_text: str, planned: str) -> None:
    (statement,) = parse_statements(snapshot(statements=[recorded(recorded_text)])).statements
    assert statement.plannable == planned


def test_a_null_byte_of_a_file_is_replaced_where_it_is_quoted() -> None:
    (gap,) = parse_file("SELECT '\0").not_examined
    assert gap.query == "SELECT '\ufffd"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Round(a, 2), s.round(a) FROM t WHERE mod(a, 3) = 1 AND replace(b, 'x', '') = 'y'",
        "SELECT * FROM round(3) AS r, t",
        "WITH floor(a) AS (SELECT 1), b AS (SELECT 2) SELECT round(floor(a)) FROM floor",
        "INSERT INTO replace (a) VALUES (ltrim('x'))",
    ],
)
def test_functions_keep_their_names_in_the_tree(text: str) -> None:
    assert tree.parse(text).sql("postgres", normalize_functions=False).lower() == text.lower()
