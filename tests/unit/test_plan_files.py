"""Plans are found wherever somebody has pasted them, and what cannot be read is counted and named."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.errors import InputError
from analyzer.workload.plan_files import ExplainedPlan, find_plans, read_plans
from analyzer.workload.plan_tree import MOST_LEVELS, PlanNode, children

PLAN = """\
Sort  (cost=10.50..10.60 rows=7 width=12) (actual time=0.030..0.040 rows=8 loops=1)
  Sort Key: o.at DESC, (lower(o."Größe"))
  Sort Method: external merge  Disk: 256kB
  Buffers: shared hit=12 read=3, temp read=32 written=33
  ->  Nested Loop  (cost=0.29..10.40 rows=7 width=12) (actual time=0.010..0.020 rows=8 loops=1)
        ->  Index Scan Backward using "By customer" on shop."Order Items" o  (cost=0..8 rows=1 width=8) (never executed)
              Index Cond: (customer = 7)
              Filter: ((status)::text = 'it''s (new'::text)
              Rows Removed by Filter: 12
        ->  Seq Scan on customer c  (cost=0.00..2.00 rows=7 width=4) (actual time=0.001..0.002 rows=8 loops=1)
Settings: work_mem = '64kB', search_path = 'shop, "$user"'
Query Identifier: -4412345678901234567
Planning Time: 0.100 ms
Execution Time: 0.500 ms"""
LINES = PLAN.split("\n")
WIDTH = max(map(len, LINES)) + 2


def tree_of(plan: ExplainedPlan) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []

    def walk(node: PlanNode, depth: int) -> None:
        found.append((depth, str(node["Node Type"])))
        for child in children(node):
            walk(child, depth + 1)

    walk(plan.tree, 0)
    return found


EXPECTED = [(0, "Sort"), (1, "Nested Loop"), (2, "Index Scan"), (2, "Seq Scan")]


def padded(line: str) -> str:
    return f" {line}".ljust(WIDTH)


WRAPPED = "\n".join(f"{line[:90]}\n{line[90:]}" if len(line) > 90 else line for line in LINES)
PASTES = {
    "bare": PLAN,
    "psql": "\n".join(["QUERY PLAN".center(WIDTH), "-" * WIDTH, *map(padded, LINES), f"({len(LINES)} rows)", ""]),
    "psql, border 2": "\n".join(
        [
            f"+{'-' * WIDTH}+",
            f"|{'QUERY PLAN'.center(WIDTH)}|",
            f"+{'-' * WIDTH}+",
            *(f"|{padded(line)}|" for line in LINES),
            f"+{'-' * WIDTH}+",
            f"({len(LINES)} rows)",
        ]
    ),
    "psql, unicode": "\n".join(
        [f"┌{'─' * WIDTH}┐", f"│{'QUERY PLAN'.center(WIDTH)}│", *(f"│{padded(line)}│" for line in LINES)]
    ),
    "psql, unaligned": "\n".join(["QUERY PLAN", *LINES, f"({len(LINES)} rows)"]),
    "psql, expanded": "\n".join(
        part for n, line in enumerate(LINES, 1) for part in (f"-[ RECORD {n} ]{'-' * 60}", f"QUERY PLAN | {line}")
    ),
    "psql, first line without its blank": "\n".join([LINES[0], *(f" {line}" for line in LINES[1:])]),
    "pgAdmin": "\n".join(['"QUERY PLAN"', *('"' + line.replace('"', '""') + '"' for line in LINES)]),
    "Markdown": f"We see this:\n\n```\n{PLAN}\n```\n\nand it is slow.",
    "quoted mail": "\n".join(["> Hello,", ">", *(f"> {line}" for line in LINES), "> bye"]),
    "list item": "\n".join(["1. The plan:", *(f"    {line}" for line in LINES), "2. Next"]),
    "narrow": "\n".join(f"{' ' * ((len(line) - len(line.lstrip())) // 2)}{line.lstrip()}" for line in LINES),
    "wide": "\n".join(f"{' ' * (2 * (len(line) - len(line.lstrip())))}{line.lstrip()}" for line in LINES),
    "carriage returns": PLAN.replace("\n", "\r\n"),
    "no-break spaces": PLAN.replace("  ", "\N{NO-BREAK SPACE} "),
    "terminal of 90 columns": WRAPPED,
    "auto_explain": "\n".join(
        [
            "2026-11-29 10:00:00.000 UTC [4711] app@shop LOG:  duration: 12.500 ms  plan:",
            "\tQuery Text: SELECT *",
            "\tFROM t",
            *(f"\t{line}" for line in LINES[:-2]),
            "2026-11-29 10:00:00.000 UTC [4711] app@shop LOG:  something else",
        ]
    ),
    "auto_explain in csvlog": "\n".join(
        [
            '2026-11-29 10:00:00.000 UTC,"app","shop",4711,"[local]",65,1,,,3/1,,LOG,00000,"duration: 12.500 ms  plan:',
            "Query Text: SELECT *",
            *(line.replace('"', '""') for line in LINES[:-3]),
            LINES[-3] + '",,,,,,,,,"psql","client backend",,0',
        ]
    ),
    "auto_explain in jsonlog": json.dumps(
        {"timestamp": "2026", "message": f"duration: 12.500 ms  plan:\nQuery Text: SELECT 1\n{PLAN}"}
    ),
    "ticket in JSON": json.dumps({"issue": {"body": f"slow:\n{PLAN}\nbye"}}),
    "syslog": "\n".join(f"Nov 29 10:00:00 host postgres[4711]: [5-{n}] #011{line}" for n, line in enumerate(LINES, 1)),
}


@pytest.mark.parametrize("name", PASTES)
def test_a_plan_is_found_in(name: str) -> None:
    found = find_plans(PASTES[name], "ticket.txt")
    assert found.not_examined == ()
    assert len(found.plans) == 1
    plan = found.plans[0]
    assert tree_of(plan) == EXPECTED
    assert plan.tree["Sort Key"] == ["o.at DESC", '(lower(o."Größe"))']
    assert plan.tree["Sort Space Type"] == "Disk"
    assert plan.tree["Temp Written Blocks"] == 33
    scan = plan.tree["Plans"][0]["Plans"][0]
    assert scan["Index Name"] == "By customer"
    assert (scan["Schema"], scan["Relation Name"], scan["Alias"]) == ("shop", "Order Items", "o")
    assert scan["Filter"] == "((status)::text = 'it''s (new'::text)"
    assert (scan["Rows Removed by Filter"], scan["Actual Loops"]) == (12, 0)
    assert plan.queryid == "-4412345678901234567"
    assert plan.settings == {"work_mem": "64kB", "search_path": 'shop, "$user"'}
    assert plan.execution_ms == (12.5 if "csvlog" in name or name == "auto_explain" else 0.5)


JSON = json.dumps([{"Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t"}}], indent=2)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        "\n".join(["QUERY PLAN".center(60), "-" * 60, *(f" {line}".ljust(59) + "+" for line in JSON.split("\n"))]),
        f"Here it is: \n\n{JSON}\n\nthanks",
        json.dumps({"query": "SELECT 1", "plan": json.loads(JSON)}),
        json.dumps({"Node Type": "Seq Scan", "Relation Name": "t"}),
        '- Plan: \n    Node Type: "Seq Scan"\n    Relation Name: "t"\n    Filter: "(a = \'\\"\')"',
        (
            '<explain xmlns="http://www.postgresql.org/2009/explain">\n <Query><Plan><Node-Type>Seq Scan</Node-Type>'
            "<Relation-Name>t</Relation-Name></Plan></Query></explain>"
        ),
    ],
)
def test_a_plan_in_another_format_is_found(text: str) -> None:
    found = find_plans(text, "x")
    assert [(plan.tree["Node Type"], plan.tree["Relation Name"]) for plan in found.plans] == [("Seq Scan", "t")]
    assert found.not_examined == ()


def test_plans_without_costs_are_found_under_a_header_or_above_their_nodes() -> None:
    assert len(find_plans("Limit\n  ->  Seq Scan on t\n        Filter: (a = 1)\n", "x").plans) == 1
    assert len(find_plans(" QUERY PLAN \n------------\n Result\n(1 row)\n", "x").plans) == 1
    assert find_plans("I looked at this.\nSort\nLimit the rows, and Append them to a list.\n", "x").plans == ()


def test_many_plans_are_found_in_their_order() -> None:
    text = f"{JSON}\n\n{PLAN}\n{PLAN}\n" + json.dumps([*json.loads(JSON), *json.loads(JSON)])
    types = [plan.tree["Node Type"] for plan in find_plans(text, "x").plans]
    assert types == ["Seq Scan", "Sort", "Sort", "Seq Scan", "Seq Scan"]
    assert [plan.where for plan in find_plans(text, "x").plans][:2] == ["x:1", "x:11"]


@pytest.mark.parametrize(
    ("above", "query"),
    [
        ("EXPLAIN ANALYZE SELECT 1 FROM t;\n", "SELECT 1 FROM t"),
        ("explain (analyze, buffers)\nselect *\nfrom t where a = 'x;y';\n\n", "select *\nfrom t where a = 'x;y'"),
        (
            "shop=> EXPLAIN SELECT a\nshop-> FROM t\nshop-> WHERE a->>'k' = 'x';\n",
            "SELECT a\nFROM t\nWHERE a->>'k' = 'x'",
        ),
        ("```sql\nSELECT * FROM customer\n```\n\nPlan:\n```\n", "SELECT * FROM customer"),
        ("SELECT * FROM elsewhere;\n\n", None),
        ("I ran explain analyze and select the output:\n", None),
        ("EXPLAIN EXECUTE p(1);\n", "EXECUTE p(1)"),
    ],
)
def test_the_statement_above_a_plan_is_its_text(above: str, query: str | None) -> None:
    (plan,) = find_plans(above + PASTES["psql"], "x").plans
    assert plan.query == query


def test_the_query_of_auto_explain_ends_where_its_plan_begins() -> None:
    text = PASTES["auto_explain"].replace("\tFROM t\n", "\tFROM t\n\tWHERE a = $1\n\tQuery Parameters: $1 = '5'\n")
    (plan,) = find_plans(text, "x").plans
    assert (plan.query, plan.parameters) == ("SELECT *\nFROM t\nWHERE a = $1", "$1 = '5'")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (JSON[:-12], "malformed or truncated"),
        ("\n".join(line.lstrip() for line in LINES), "indentation"),
        ("\n".join(" " * line.startswith(" ") + line.lstrip() for line in LINES), "indentation"),
        ("<explain><Query><Plan><Node-Type>Result</Node-Type>", "truncated"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]>\n<explain><Query><Plan><Node-Type>&b;</Node-Type></Plan></Query></explain>',
            "XML",
        ),
        ("<explain><!DOCTYPE x><Query><Plan><Node-Type>a</Node-Type></Plan></Query></explain>", "XML"),
        ("<explain>" + "<a>" * 1000 + "Node</explain>", "deep"),
        (json.dumps({"Plan": {"Node Type": "Limit"}})[:-1] + ', "x": ' + "[" * 150 + "]" * 150 + "}", ""),
        (
            '{"Plan": ' + '{"Node Type": "Limit", "Plans": [' * (MOST_LEVELS + 1) + "]}" * (MOST_LEVELS + 1) + "}",
            "levels",
        ),
    ],
)
def test_what_cannot_be_read_is_named(text: str, reason: str) -> None:
    found = find_plans(text, "ticket.txt")
    if not reason:
        assert len(found.plans) == 1
        return
    assert found.plans == ()
    assert [gap.what.startswith("the plan in ticket.txt:") for gap in found.not_examined] == [True]
    assert reason in found.not_examined[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES[:9]),
        PLAN.replace("->  Seq Scan on customer c", "->  Seq Sc@n on customer c"),
        PLAN.replace("        ->  Seq Scan on customer c", "Seq Scan on customer c"),
    ],
)
def test_a_plan_that_lacks_a_part_is_read_and_the_part_is_named(text: str) -> None:
    found = find_plans(text, "x")
    assert tree_of(found.plans[0])[:2] == EXPECTED[:2]
    assert [gap.what for gap in found.not_examined] == ["a part of the plan in x:1"]
    assert "Nested Loop lacks an input" in found.not_examined[0].reason


def test_many_failures_are_counted() -> None:
    found = find_plans(f"{JSON[:-12]}\n\nnext\n" * 50, "x")
    assert len(found.not_examined) == 21
    assert found.not_examined[-1].what == "30 more plans in x"


def test_files_and_directories_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.json").write_text(JSON)
    (tmp_path / "a.txt").write_bytes(PLAN.encode("utf-16"))
    (tmp_path / "c.log").write_bytes(b"\xff\xfe\xfa nothing \x00 here")
    (tmp_path / ".hidden").write_text(PLAN)
    read = read_plans([tmp_path])
    assert [plan.where for plan in read.plans] == ["a.txt:1", "sub/b.json:1"]
    assert [(gap.what, gap.reason) for gap in read.not_examined] == [("c.log", "it contains no plan")]
    with pytest.raises(InputError, match=r"contains no plan that can be read \(c.log: it contains no plan\)"):
        read_plans([tmp_path / "c.log"])
    with pytest.raises(InputError, match="cannot be read"):
        read_plans([tmp_path / "absent"])


def test_values_that_no_server_prints_are_left_out() -> None:
    hostile = {
        "Plan": {"Node Type": "Limit", "Plan Rows": 10**400, "x": "\0", "Plans": [7, {"a": 1}, {"Node Type": "S"}]}
    }
    (plan,) = find_plans(json.dumps(hostile), "x").plans
    assert plan.tree["Plan Rows"] is None
    assert "\0" not in plan.tree["x"]
    assert [child["Node Type"] for child in plan.tree["Plans"]] == ["S"]


SOURCES = [*PASTES.values(), JSON, json.dumps(json.loads(JSON))]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutilated_plans_never_fail(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SOURCES))
    kind = data.draw(st.sampled_from(("cut", "shuffle", "drop", "insert", "bytes")))
    if kind == "cut":
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        text = text[start:end]
    elif kind == "shuffle":
        text = "\n".join(data.draw(st.permutations(text.split("\n"))))
    elif kind == "drop":
        dropped = data.draw(st.sets(st.integers(0, len(text) - 1), max_size=20))
        text = "".join(character for place, character in enumerate(text) if place not in dropped)
    elif kind == "insert":
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=40)) + text[place:]
    else:
        raw = bytearray(text.encode())
        for place in data.draw(st.sets(st.integers(0, len(raw) - 1), max_size=30)):
            raw[place] = data.draw(st.integers(0, 255))
        text = raw.decode(errors="replace")
    found = find_plans(text, "x")
    for plan in found.plans:
        assert isinstance(plan.tree["Node Type"], str)
    assert all(gap.reason for gap in found.not_examined)


def test_a_node_with_thousands_of_inputs_is_read_in_linear_time() -> None:
    scan = "  ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n"
    for top in ("Append", "Nested Loop"):
        found = find_plans(f"{top}  (cost=0.00..9.00 rows=1 width=4)\n" + scan * 60_000, "x")
        assert (found.plans, len(found.not_examined)) == ((), 1)
    (plan,) = find_plans("Append  (cost=0.00..9.00 rows=1 width=4)\n" + scan * 19_000, "x").plans
    assert {each["Parent Relationship"] for each in plan.tree["Plans"]} == {"Member"}


def test_large_files_of_brackets_are_read_in_linear_time() -> None:
    for text in ("[\n" * 50_000, "{\n" * 50_000, "[1],\n" * 50_000, '["\n' * 50_000, "<explain>\n" * 50_000):
        assert find_plans(text, "x").plans == ()


@pytest.mark.parametrize(
    "line", ['Query Text: "a"b"', 'Query Text: "a\\"', '  Query Text: """', '- Query Text: "a" "b"  ']
)
def test_malformed_yaml_ends(line: str) -> None:
    assert find_plans(line, "x").plans == ()
    assert find_plans(f"{line}\n\n{PLAN}", "x").plans[-1].tree["Node Type"] == "Sort"
    yaml = f'{line}\nPlan: \n  Node Type: "Seq Scan"\n  Relation Name: "t"\n'
    assert len(find_plans(yaml, "x").plans) + len(find_plans(yaml, "x").not_examined) == 1


@pytest.mark.parametrize("text", ["x", "|", "│ QUERY", "Seq Scan on t", "  -> ", "Buckets: 1", "==", '"', "(cost"])
def test_long_runs_of_blanks_are_read_in_linear_time(text: str) -> None:
    blanks = " " * 100_000
    for line in (f"{text}{blanks}{text}", f"{blanks}{text}{blanks}{text}", f"{blanks}{text}{blanks}"):
        assert find_plans(f"{line}\n\n{PLAN}", "x").plans[-1].tree["Node Type"] == "Sort"
        assert find_plans(f"{PLAN}{line}\n", "x").plans


@pytest.mark.parametrize(
    "cell",
    ["| {} |", "| {}", "|{}  |  ", " | {} │", "│ {}   ║", "║ {}"],
    ids=["both", "left", "wide", "mixed", "box", "box left"],
)
def test_borders_are_taken_off(cell: str) -> None:
    lines = ["QUERY PLAN", "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)", "  Filter: ((a | 1) = 3)"]
    (plan,) = find_plans("\n".join(cell.format(line) for line in lines), "x").plans
    assert plan.tree["Filter"] == "((a | 1) = 3)"
