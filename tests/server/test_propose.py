"""Proposals: what is found, what is left alone and why, on a real database and its twin."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from analyzer.advise.declared import Declared
from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.advise.sameness import serves
from analyzer.capture.capture import capture
from analyzer.config import TableRule
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.render.output import render
from analyzer.twin.twin import open_twin
from analyzer.workflows.advice import new_specs, propose_document
from analyzer.workload.parse import Workload, parse_file, parse_statements
from tests.conftest import fresh_database

SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE vendor (id integer PRIMARY KEY, code text NOT NULL UNIQUE, region text);
INSERT INTO vendor SELECT i, 'code ' || i, 'region ' || i % 10 FROM generate_series(1, 20000) AS i;
CREATE TABLE product (
    id integer PRIMARY KEY, vendor_id integer REFERENCES vendor ON DELETE CASCADE, kind text, price numeric,
    label text);
INSERT INTO product
SELECT i, i % 20000 + 1, 'kind ' || i % 700, i % 977, repeat('l', 40) FROM generate_series(1, 60000) AS i;
CREATE TABLE part (id integer PRIMARY KEY, product_id integer REFERENCES product ON DELETE CASCADE, size text);
INSERT INTO part SELECT i, i % 60000 + 1, repeat('s', 60) FROM generate_series(1, 60000) AS i;
CREATE TABLE place (x integer, y integer, PRIMARY KEY (x, y));
INSERT INTO place SELECT i, i % 9 FROM generate_series(1, 3000) AS i;
CREATE TABLE visit (id integer PRIMARY KEY, x integer, y integer, remark text, FOREIGN KEY (x, y) REFERENCES place);
INSERT INTO visit SELECT i, i % 2900 + 1, (i % 2900 + 1) % 9, repeat('r', 60) FROM generate_series(1, 60000) AS i;
CREATE TABLE owner (id integer PRIMARY KEY, code text NOT NULL UNIQUE);
INSERT INTO owner SELECT i, 'o' || i FROM generate_series(1, 3000) AS i;
CREATE TABLE house (id integer PRIMARY KEY, a integer REFERENCES owner, b integer REFERENCES owner,
    c integer REFERENCES owner, d integer REFERENCES owner, e text REFERENCES owner (code) ON UPDATE CASCADE);
INSERT INTO house SELECT i, i % 2000 + 1, i % 2000 + 1, i % 2000 + 1, i % 2000 + 1, 'o' || i % 2000 + 1
FROM generate_series(1, 60000) AS i;
VACUUM ANALYZE;
SELECT pg_stat_statements_reset()
"""


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[Snapshot]:
    """Capture a shop after deletes and updates that PostgreSQL really ran."""
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        for number in range(1, 4):
            connection.execute("DELETE FROM vendor WHERE id = %s", (number,))
            connection.execute("DELETE FROM place WHERE x = %s", (2950 + number,))
            connection.execute("DELETE FROM owner WHERE id = %s", (2500 + number,))
            connection.execute("UPDATE owner SET code = %s WHERE id = %s", (f"n{number}", 2600 + number))
        yield capture(url)


def advise(
    shop: Snapshot, sql: str | None = None, *, declared: Sequence[Declared] = (), limits: Limits | None = None
) -> Advice:
    """Propose for the statements given, or for those that the server recorded."""
    workload = parse_statements(shop) if sql is None else parse_file(sql)
    with open_twin(shop) as twin:
        return propose(twin, workload, declared=declared, limits=limits)


def chosen(advice: Advice) -> list[tuple[str, tuple[str, ...]]]:
    return [(proposal.built.index.table, proposal.built.index.columns) for proposal in advice.proposals]


def declare(index: IndexDef, state: str, **more: object) -> Declared:
    return replace(Declared(index=index, state=state, where="specs/x.yaml:3"), **more)


def btree(table: str, *columns: str, name: str = "ix_declared") -> IndexDef:
    return IndexDef(schema="public", table=table, name=name, keys=tuple(Key(column=each) for each in columns))


def test_foreign_keys_are_proposed_with_the_cost_of_their_triggers(shop: Snapshot) -> None:
    advice = advise(shop)
    found = dict(zip(chosen(advice), advice.proposals, strict=True))
    cascade, below, composite = (
        found["product", ("vendor_id",)], found["part", ("product_id",)], found["visit", ("x", "y")],
    )  # fmt: skip
    for proposal, query in ((cascade, "vendor"), (below, "vendor"), (composite, "place")):
        (effect,) = [effect for effect in proposal.effects if effect.cost_after < effect.cost_before]
        assert effect.item.statement.text.startswith(f"DELETE FROM {query}")
        assert effect.cost_before - effect.cost_after > 500
    assert {("house", (column,)) for column in "abcde"} <= set(found)
    document = propose_document(advice, shop)
    for spec, shown in zip(new_specs(advice), document.proposals, strict=True):
        assert spec.evidence["statements"] == [each.id for each in shown.statements]
        assert spec.evidence["share_of_time"] == pytest.approx(shown.share_of_time, abs=1e-4)
        assert spec.evidence["cost"] == pytest.approx([shown.cost_before, shown.cost_after], abs=0.01)
    text = render(document, "text")
    assert "foreign key product_vendor_id_fkey: deleting or changing a row of vendor" in text


def test_every_parent_key_that_is_updated_counts(shop: Snapshot) -> None:
    assert chosen(advise(shop, "UPDATE owner SET code = 'x' WHERE id = 7")) == [("house", ("e",))]
    assert chosen(advise(shop, "UPDATE vendor SET region = 'x' WHERE id = 7")) == []


QUERIES = """
SELECT label FROM product WHERE kind = 'kind 7';
SELECT label FROM product WHERE kind = 'kind 8' AND price > 900;
SELECT id FROM product WHERE kind = 'kind 9' ORDER BY price LIMIT 3;
SELECT region FROM vendor WHERE id = 5;
SELECT region FROM vendor WHERE code = 'code 5' AND region = 'region 5';
SELECT size FROM part WHERE id = 9;
"""


def test_no_two_are_proposed_where_one_serves(shop: Snapshot) -> None:
    advice = advise(shop, QUERIES)
    indexes = [proposal.built.index for proposal in advice.proposals]
    assert indexes
    assert not [
        (one, other)
        for one in indexes
        for other in indexes
        if one is not other and serves(Index(definition=other, ddl=""), one)
    ]
    assert not [index for index in indexes if index.columns[:1] in {("id",), ("code",)}]


def test_same_input_gives_the_same_advice(shop: Snapshot) -> None:
    documents = [propose_document(advise(shop, QUERIES), shop).model_dump_json() for _ in range(2)]
    assert documents[0] == documents[1]


def test_nothing_is_proposed_that_changes_hardly_anything(shop: Snapshot) -> None:
    """A budget is there to be used, but not for what reads as unchanged."""
    sql = "SELECT count(price), label FROM product WHERE kind >= 'kind' GROUP BY label; SELECT * FROM visit ORDER BY x"
    advice = advise(shop, sql + "; SELECT label FROM product WHERE kind = 'kind 7'", limits=Limits(budget_bytes=2**40))
    assert ("product", ("kind",)) in {(table, columns[:1]) for table, columns in chosen(advice)}
    for proposal in propose_document(advice, shop).proposals:
        assert proposal.predicted_ratio is not None
        assert proposal.predicted_ratio >= 1.05


def rule(**settings: object) -> TableRule:
    return TableRule.model_validate({"tables": ["public.*"]} | settings)


def test_the_rules_of_a_project_are_kept_and_named(shop: Snapshot) -> None:
    free = advise(shop)
    table = free.proposals[0].built.index
    name = f"{table.schema}.{table.table}"
    assert table.table not in {
        each.built.index.table
        for each in advise(shop, limits=Limits(rules=(rule(tables=[name], propose=False),))).proposals
    }
    limited = advise(shop, limits=Limits(rules=(rule(most_indexes=1, reason="writes come first"),)))
    assert limited.proposals == ()
    reasons = {reason for _, reason in limited.not_proposed}
    assert any("the limit of 1 index for public." in reason and "writes come first" in reason for reason in reasons)

    small = min(each.built.size_bytes for each in free.proposals)
    for table_bytes in by_table(advise(shop, limits=Limits(rules=(rule(budget=small),)))).values():
        assert table_bytes <= small

    hashed = advise(shop, limits=Limits(rules=(rule(methods=["hash"]),)))
    assert {each.built.index.method for each in hashed.proposals} <= {"hash"}
    assert any("allows hash only" in reason for _, reason in hashed.not_proposed)

    columns = {column for each in free.proposals for column in each.built.index.columns}
    barred = advise(shop, limits=Limits(rules=(rule(without_columns=sorted(columns)),)))
    assert columns.isdisjoint(column for each in barred.proposals for column in each.built.index.columns)
    assert any("forbids indexes with" in reason for _, reason in barred.not_proposed)

    elsewhere = Limits(rules=(rule(tables=["other.*", "public.no_such"], propose=False),))
    assert chosen(advise(shop, limits=elsewhere)) == chosen(free)


def by_table(advice: Advice) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for each in advice.proposals:
        sizes[each.built.index.table] = sizes.get(each.built.index.table, 0) + each.built.size_bytes
    return sizes


def test_upkeep_has_a_limit(shop: Snapshot) -> None:
    """Without any upkeep, what is written to gets no index; what is only read keeps its own."""
    sql = "SELECT label FROM product WHERE kind = 'kind 7'; SELECT remark FROM visit WHERE remark = 'r'; " + "; ".join(
        f"INSERT INTO visit VALUES ({number}, 1, 1, 'r')" for number in range(100_000, 100_050)
    )
    tables = {table for table, _ in chosen(advise(shop, sql, limits=Limits(most_upkeep=0.0)))}
    assert tables == {"product"}


def test_the_upkeep_that_indexes_raise_for_each_other_counts(shop: Snapshot) -> None:
    """An index of what is updated has each update add an entry to the other ones as well."""
    sql = "SELECT label FROM product WHERE kind = 'kind 7'; SELECT label FROM product WHERE label = 'l'; " + "; ".join(
        f"UPDATE product SET kind = 'k' WHERE id = {number}" for number in range(50)
    )
    free = advise(shop, sql).proposals
    together, total = sum(each.upkeep.cost for each in free), free[0].cost_before
    for part in (0.99, 0.6):
        limited = advise(shop, sql, limits=Limits(most_upkeep=part * together / total))
        assert sum(each.upkeep.cost for each in limited.proposals) <= part * together


def test_the_budget_is_kept_to_the_byte_and_what_it_keeps_out_is_told(shop: Snapshot) -> None:
    everything = advise(shop)
    sizes = [proposal.built.size_bytes for proposal in everything.proposals]
    for budget in (sum(sizes[:2]), sum(sizes[:2]) - 1, sum(sizes)):
        limited = advise(shop, limits=Limits(budget_bytes=budget))
        assert sum(proposal.built.size_bytes for proposal in limited.proposals) <= budget
        assert len(limited.proposals) < len(sizes) or budget == sum(sizes)
    kept_out = advise(shop, limits=Limits(budget_bytes=sizes[0])).not_proposed
    assert any("exceed what is left of the limit" in reason for _, reason in kept_out)
    assert advise(shop, limits=Limits(budget_bytes=0)).proposals == ()


def test_what_the_number_keeps_out_is_told(shop: Snapshot) -> None:
    advice = advise(shop, limits=Limits(most=1))
    assert len(advice.proposals) == 1
    assert any("but the limit of 1 proposal (--max) was reached" in reason for _, reason in advice.not_proposed)
    assert any(ddl is None and "more candidate" in reason for ddl, reason in advice.not_proposed)


def test_where_the_number_is_limited_what_saves_most_is_chosen(shop: Snapshot) -> None:
    everything = advise(shop).proposals
    savings = [each.cost_before - each.cost_after for each in everything]
    (only,) = advise(shop, limits=Limits(most=1)).proposals
    assert only.cost_before - only.cost_after >= 0.95 * max(savings)


def test_what_does_not_pay_is_told_with_its_saving(shop: Snapshot) -> None:
    much = "SELECT count(*) FROM product p JOIN part q ON q.size = p.label;" * 3
    text = f"{much} SELECT remark FROM visit WHERE x = 3 AND remark = 'a'"
    reasons = [reason for _, reason in advise(shop, text, limits=Limits(least_saving=0.05)).not_proposed]
    assert any("below the threshold of 5.00 % (--least-saving)" in reason for reason in reasons)


def test_upkeep_is_charged(shop: Snapshot) -> None:
    read = "SELECT label FROM product WHERE price = 900;"
    assert chosen(advise(shop, read)) == [("product", ("price",))]
    written = parse_file(read + "INSERT INTO product (id, price) VALUES (1, 2)")
    query, insert = written.statements
    busy = Workload(statements=(query, replace(insert, calls=1_000_000.0)))
    with open_twin(shop) as twin:
        assert propose(twin, busy).proposals == ()


@pytest.mark.parametrize("state", ["proposed", "approved", "rejected", "retired"])
def test_what_a_spec_declares_is_not_proposed(shop: Snapshot, state: str) -> None:
    sql = "SELECT label FROM product WHERE price = 900"
    (first,) = advise(shop, sql).proposals
    declared = declare(first.built.index.renamed("ix_by_hand"), state)
    again = advise(shop, sql, declared=[declared])
    assert first.built.index not in [proposal.built.index for proposal in again.proposals]
    if state in {"proposed", "approved"}:
        assert again.proposals == ()
        (statement,) = again.statements
        assert statement.cost_before == statement.cost_after == pytest.approx(first.cost_after)
    said = [reason for ddl, reason in again.not_proposed if ddl and "(price)" in ddl]
    assert f"specs/x.yaml:3 declares it already ({state})" in said


def test_a_longer_index_that_is_pending_serves_as_well(shop: Snapshot) -> None:
    longer = replace(btree("product", "price", "kind"), include=("label",))
    pending = declare(longer, "approved")
    again = advise(shop, "SELECT label FROM product WHERE price = 900", declared=[pending])
    assert again.proposals == ()
    assert any("ix_declared, which can be used instead" in reason for _, reason in again.not_proposed)


@pytest.mark.parametrize(("days", "proposed"), [(1, False), (0, False), (-1, True)])
def test_a_rejection_holds_until_its_day_has_passed(shop: Snapshot, days: int, proposed: bool) -> None:
    sql = "SELECT label FROM product WHERE price = 900"
    until = shop.captured_at.date() + timedelta(days=days)
    (first,) = advise(shop, sql).proposals
    rejected = declare(first.built.index.renamed("ix_by_hand"), "rejected", until=until)
    again = advise(shop, sql, declared=[rejected])
    same = [proposal for proposal in again.proposals if proposal.built.index == rejected.index]
    assert bool(same) == proposed
    if proposed:
        assert same[0].again == rejected
        document = propose_document(again, shop)
        assert "specs/x.yaml:3 rejected it until" in document.proposals[0].reason
        assert new_specs(again) == ()


def test_a_name_that_a_spec_has_is_not_given_again(shop: Snapshot) -> None:
    sql = "SELECT label FROM product WHERE price = 900"
    (first,) = advise(shop, sql).proposals
    other = declare(btree("product", "label", name=first.built.index.name), "retired")
    (again,) = advise(shop, sql, declared=[other]).proposals
    assert again.built.index == first.built.index
    assert again.built.index.name == f"{first.built.index.name}_2"


def test_a_spec_that_nothing_can_build_stops_nothing(shop: Snapshot) -> None:
    broken = [declare(btree("product", "absent"), "approved"), declare(btree("gone", "id"), "approved")]
    advice = advise(shop, "SELECT label FROM product WHERE price = 900", declared=broken)
    assert chosen(advice) == [("product", ("price",))]
    assert "the captured database has no table public.gone" in [gap.reason for gap in advice.not_examined]


def test_statements_without_a_table_are_neither_listed_nor_gaps(shop: Snapshot) -> None:
    advice = advise(shop, "SELECT 1; SELECT relname FROM pg_class; SELECT label FROM product WHERE price = 900")
    assert [statement.text for statement in advice.tableless] == ["SELECT 1", "SELECT relname FROM pg_class"]
    assert [each.statement.text for each in advice.statements] == ["SELECT label FROM product WHERE price = 900"]
    assert not [gap for gap in advice.not_examined if "statement" in gap.what]


def test_no_time_is_no_proof_that_nothing_helps(shop: Snapshot) -> None:
    advice = advise(shop, QUERIES, limits=Limits(seconds=1e-9))
    assert advice.proposals == ()
    assert "increase --seconds to continue" in " ".join(gap.reason for gap in advice.not_examined)


def test_statements_that_one_cause_keeps_from_being_examined_are_one_entry_with_their_time(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("CREATE SCHEMA app")
        connection.execute("CREATE TABLE app.item (id integer PRIMARY KEY, name text)")
        connection.execute("SET search_path = app, public")
        connection.execute("SELECT pg_stat_statements_reset()")
        for statement in ("SELECT id FROM item", "SELECT name FROM item WHERE id = 7", "SELECT name FROM app.item"):
            connection.execute(statement.encode())
        connection.execute("CREATE TABLE public.item (LIKE app.item)")
    captured = capture(database)
    outside = captured.model_copy(update={"settings": captured.settings | {"search_path": '""'}})
    workload = parse_statements(outside)
    with open_twin(outside) as twin:
        gaps = [gap for gap in propose(twin, workload).not_examined if "item" in gap.reason]
    (gap,) = gaps
    assert gap.what.startswith("2 statements with ")
    named = gap.what.partition("time: ")[2].split(", ")
    assert len(set(named)) == 2
    assert not {each.id for each in workload.statements} & set(named)
    assert "2 schemas have its table item (app, public)" in gap.reason
    assert workload.unread_weight > 0
