"""Drops of existing indexes: what the counters prove, which index stands in for which, and how they are written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from analyzer.advise.kept_indexes import ScanCounts, Scans, hinted, purpose, unexplained
from analyzer.advise.retirement import more_than
from analyzer.advise.stand_in import added_columns, stands_in
from analyzer.documents.measured import ServerCounters
from analyzer.documents.proposals import HelpedStatement, Retirement
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.sql_ascii import decode
from analyzer.render.formats import Format
from analyzer.render.output import render
from analyzer.workload.parse import parse_file
from tests.unit.catalogs import snapshot
from tests.unit.sample_report import predicted

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def index(*keys: str | Key, **more: Any) -> IndexDef:
    found = tuple(each if isinstance(each, Key) else Key(column=each) for each in keys)
    return IndexDef(schema="public", table="t", name="ix", keys=found, **more)


DESC = Key(column="a", descending=True)


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        (index("a", "b"), index("a"), True),
        (index("a"), index("a", "b"), False),
        (index("b", "a"), index("a"), False),
        (index("a"), index("a"), True),
        (index(DESC, "b"), index("a"), True),
        (index("a", Key(column="b", descending=True)), index("a", "b"), False),
        (index(DESC, Key(column="b", descending=True)), index("a", "b"), True),
        (index(Key(column="a", nulls="first"), "b"), index("a"), False),
        (index(Key(column="a", descending=True, nulls="last"), "b"), index("a"), False),
        (index(Key(column="a", opclass="text_pattern_ops"), "b"), index("a"), False),
        (index(Key(column="a", collation='"C"'), "b"), index("a"), False),
        (index("a", "b", where="c"), index("a"), False),
        (index("a", "b"), index("a", where="c"), False),
        (index("a", "b", where="c"), index("a", where="c"), True),
        (index("a", "b"), index("a", include=("b",)), True),
        (index("a", include=("b", "c")), index("a", include=("c",)), True),
        (index("a", include=("b",)), index("a", "b"), False),
        (index("a", "b", unique=True), index("a"), True),
        (index("a", "b", parameters=(("fillfactor", "70"),)), index("a"), True),
        (index("a", "b", method="gin"), index("a", method="gin"), False),
        (index("a", method="gin"), index("a", method="gin"), True),
        (index("a", method="gin", parameters=(("fastupdate", "false"),)), index("a", method="gin"), False),
        (index("a"), index("a", method="hash"), False),
        (replace(index("a", "b"), table="u"), index("a"), False),
        (index(Key(expression="(j ->> 'q'::text)"), "b"), index(Key(expression="((j ->> 'q'::text))::int")), False),
    ],
)
def test_an_index_stands_in_for_one_that_it_begins_with(have: IndexDef, wanted: IndexDef, *, expected: bool) -> None:
    assert stands_in(have, wanted) == expected


def test_the_added_columns_are_those_that_the_old_index_lacks() -> None:
    assert added_columns(index("a", "b", include=("c", "d")), index("a", include=("d",))) == ("b", "c")


def counted(since: datetime | None, **more: Any) -> ServerCounters:
    facts: dict[str, Any] = {"name": "db", "in_recovery": False, "started_at": NOW, "stats_reset": since}
    return ServerCounters(**facts | more)


LONG, SHORT = NOW - timedelta(days=30), NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("server", "servers", "gap"),
    [
        ({"stats_reset": LONG}, (), None),
        ({"stats_reset": SHORT}, (), "scans have been counted for 3 days only, and 7 days are needed"),
        ({"stats_reset": None}, (), "a server does not say since when it counts scans"),
        ({"stats_reset": LONG, "in_recovery": True}, (), "only a standby was captured"),
        ({"stats_reset": LONG, "standbys": 1}, (), "1 standby was not captured"),
        ({"stats_reset": LONG, "standbys": 3}, (counted(LONG), counted(LONG)), "2 standbys were not captured"),
        ({"stats_reset": LONG, "standbys": 1}, (counted(LONG), counted(LONG)), None),
        ({"stats_reset": LONG}, (counted(LONG), counted(SHORT)), "counted for 3 days only"),
        ({"stats_reset": LONG}, (counted(LONG), counted(None)), "does not say since when"),
    ],
)
def test_what_was_not_counted_long_enough_on_every_server_proves_nothing(
    server: dict[str, Any], servers: tuple[ServerCounters, ...], gap: str | None
) -> None:
    known = snapshot()
    update = {"server": known.server.model_copy(update=server), "servers": servers, "captured_at": NOW}
    found = ScanCounts(known.model_copy(update=update)).gap()
    assert (found is None) if gap is None else (gap in (found or ""))


def test_names_in_hints_are_found_and_those_in_other_comments_are_not() -> None:
    sql = "SELECT /*+ IndexScan(t ix_hinted) */ a FROM t; SELECT /* ix_other */ a FROM t;"
    assert {"ix_hinted", "ix_other"} & hinted(parse_file(sql).statements) == {"ix_hinted"}


def plan(name: str) -> JsonValue:
    node = {"Node Type": "Index Scan", "Index Name": name, "Relation Name": "item", "Index Cond": "(a = 'hunter2')"}
    return {"Plan": {**node, "Total Cost": 10.0, "Plan Rows": 1}}


RETIREMENT = Retirement(
    ddl="DROP INDEX CONCURRENTLY IF EXISTS shop.ix_old",
    downgrade_ddl="CREATE INDEX CONCURRENTLY ix_old ON shop.item USING btree (a)",
    name="ix_old",
    table="shop.item",
    because="replaced",
    reason="ix_new (proposed) extends it by b and does all that it does",
    replaced_by=("ix_new",),
    size_bytes=8 * 1024**2,
    net_bytes=-(1024**2),
    upkeep=12.5,
    scans=7,
    scans_since=LONG,
    cost_before=1000.0,
    cost_after=1001.0,
    caveats=("drop it only after ix_new was built",),
    statements=(
        HelpedStatement(
            id="0a1b",
            queryid=None,
            query="SELECT c FROM shop.item WHERE a = 'hunter2'",
            calls=3,
            share_of_time=0.1,
            cost_before=10.0,
            cost_after=10.5,
            plan_before=plan("ix_old"),
            plan_after=plan("ix_new"),
        ),
    ),
)


@pytest.mark.parametrize("output_format", ["text", "markdown", "html", "json"])
def test_a_drop_is_written_with_its_way_back_and_hides_what_is_to_be_hidden(output_format: Format) -> None:
    document = predicted().model_copy(update={"retirements": (RETIREMENT,)})
    text = render(document, output_format)
    for part in ("ix_old", "DROP INDEX CONCURRENTLY", "USING btree (a)", "extends it by b", "hunter2"):
        assert part in text
    if output_format != "json":
        assert "1 existing index can be dropped" in text
    for shown in ("normalised", "hash"):
        assert "hunter2" not in render(document, output_format, query_text=shown)


@pytest.mark.parametrize(
    ("calls", "part", "expected"),
    [
        (100.0, 1.0, 0),
        (60.0, 1.0, 40),
        (400.0, 0.1, 60),
        (100.0, 0.95, 0),
    ],
)
def test_calls_from_before_scans_were_counted_tell_nothing_of_them(calls: float, part: float, expected: int) -> None:
    assert unexplained(Scans(total=100, by_server={}), [calls], part) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(100.0, 150.0, "50.0 % more"), (100.0, 1000.0, "10.0 times as much"), (0.0, 5.0, "more")],
)
def test_what_a_drop_costs_is_told_beyond_the_double(before: float, after: float, expected: str) -> None:
    assert more_than(before, after) == expected


def test_an_index_whose_name_is_of_other_bytes_stays() -> None:
    ddl = "CREATE INDEX ix ON public.t USING btree (a)"
    assert purpose(Index(definition=index("a"), ddl=ddl)) is None
    assert purpose(Index(definition=index("a"), ddl=ddl.replace("ix", decode(b'"\xff"')))) is not None
