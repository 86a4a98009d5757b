"""Existing indexes: which a proposal replaces, which are redundant or unused, and which stay whatever they seem."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from analyzer.advise.declared import Declared
from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.advise.retirement import Retirement
from analyzer.capture.capture import capture
from analyzer.config import TableRule
from analyzer.documents.measured import IndexUse, ServerCounters
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.temporary_names import mark, temporary_name
from analyzer.twin.twin import open_twin
from analyzer.workflows.advice import propose_document
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

_COLUMNS = """id integer NOT NULL, source_id integer NOT NULL, at timestamptz NOT NULL, kind text, value integer,
    note text, tag text NOT NULL, c1 integer, c2 integer, c3 integer, c4 integer, c5 integer, c6 integer"""
_ROWS = """INSERT INTO {0}
SELECT i, i % 500 + 1, '2026-01-01'::timestamptz + i * interval '1 minute', 'k' || i % 50, i % 977, repeat('n', 60),
       't' || i % 3000, 1, 2, 3, 4, 5, 6
FROM generate_series(1, 8000) AS i"""
#: What is on a table of that kind, by the table's name; `!` marks an index that must stay, though nothing reads it.
TABLES = {
    "reading": "CREATE INDEX ix_reading_source ON reading (source_id)",
    "doubled": "CREATE INDEX doubled_a ON doubled (source_id); CREATE INDEX doubled_b ON doubled (source_id)",
    "longer": "CREATE INDEX longer_short ON longer (source_id); CREATE INDEX longer_long ON longer (source_id, at)",
    "class": """CREATE INDEX class_short ON class (tag);
        CREATE INDEX class_long ON class (tag text_pattern_ops, value)""",
    "collated": """CREATE INDEX collated_short ON collated (tag);
        CREATE INDEX collated_long ON collated (tag COLLATE "POSIX", value)""",
    "turned": """CREATE INDEX turned_short ON turned (source_id, at);
        CREATE INDEX turned_long ON turned (source_id, at DESC, id)""",
    "reversed": """CREATE INDEX reversed_short ON reversed (source_id DESC, at);
        CREATE INDEX reversed_long ON reversed (source_id, at DESC, id)""",
    "nulls": """CREATE INDEX nulls_short ON nulls (value);
        CREATE INDEX nulls_long ON nulls (value NULLS FIRST, id)""",
    "partly": """CREATE INDEX partly_short ON partly (source_id);
        CREATE INDEX partly_long ON partly (source_id, at) WHERE kind = 'k1'""",
    "sole": """CREATE UNIQUE INDEX sole_short ON sole (source_id, id);
        CREATE INDEX sole_long ON sole (source_id, id, at);
        CREATE INDEX sole_plain ON sole (source_id)""",
    "child": """ALTER TABLE child ADD FOREIGN KEY (source_id) REFERENCES source;
        CREATE INDEX child_source ON child (source_id); CREATE INDEX child_value ON child (value)""",
    "identity": """CREATE UNIQUE INDEX identity_short ON identity (id);
        ALTER TABLE identity REPLICA IDENTITY USING INDEX identity_short;
        CREATE INDEX identity_long ON identity (id, at)""",
    "ordered": """CREATE INDEX ordered_short ON ordered (source_id);
        CREATE INDEX ordered_long ON ordered (source_id, at);
        ALTER TABLE ordered CLUSTER ON ordered_short""",
    "lowered": """CREATE INDEX lowered_short ON lowered (lower(tag));
        CREATE INDEX lowered_long ON lowered (lower( tag ), id);
        CREATE INDEX lowered_upper ON lowered (upper(tag))""",
    "covered": """CREATE INDEX covered_short ON covered (source_id) INCLUDE (kind);
        CREATE INDEX covered_long ON covered (source_id, kind) INCLUDE (value);
        CREATE INDEX covered_other ON covered (source_id) INCLUDE (note)""",
    "narrow": "CREATE INDEX narrow_kind ON narrow (source_id) INCLUDE (kind)",
    "hashed": "CREATE INDEX hashed_a ON hashed USING hash (tag); CREATE INDEX hashed_b ON hashed (tag, id)",
}
SCHEMA = f"""CREATE EXTENSION pg_stat_statements;
CREATE TABLE source (id integer PRIMARY KEY, name text);
INSERT INTO source SELECT i, 's' || i FROM generate_series(1, 500) AS i;
{";".join(f"CREATE TABLE {each} ({_COLUMNS}); {_ROWS.format(each)}; {more}" for each, more in TABLES.items())};
CREATE TABLE parted ({_COLUMNS}) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (4000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (4000) TO (9000);
{_ROWS.format("parted")};
CREATE INDEX parted_short ON parted (source_id);
CREATE INDEX parted_long ON parted (source_id, at);
VACUUM ANALYZE"""


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[Snapshot]:
    """Capture tables of one kind with all sorts of indexes."""
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement.encode())
        yield capture(url, statements=False)


def aged(snapshot: Snapshot, days: float = 30, scans: Mapping[str, int | None] | None = None) -> Snapshot:
    """Return a snapshot whose counters are so old, and say so much."""
    counted = scans or {}
    since = snapshot.captured_at - timedelta(days=days)
    indexes = tuple(
        index.model_copy(update={"scans": counted.get(index.definition.name, 0)}) for index in snapshot.indexes
    )
    server = snapshot.server.model_copy(update={"stats_reset": since})
    return snapshot.model_copy(update={"indexes": indexes, "server": server})


def advise(
    snapshot: Snapshot, sql: str, *, declared: Sequence[Declared] = (), limits: Limits | None = None
) -> Advice:  # fmt: skip
    with open_twin(snapshot) as twin:
        return propose(twin, parse_file(sql), declared=declared, limits=limits)


def retired(advice: Advice) -> dict[str, Retirement]:
    return {each.index.definition.name: each for each in advice.retirements}


def kept(advice: Advice) -> str:
    return "\n".join(f"{ddl}: {reason}" for ddl, reason in advice.not_proposed if ddl is None or ddl.startswith("DROP"))


LATEST = "SELECT * FROM reading WHERE source_id = $1 AND at >= $2 ORDER BY at LIMIT 10;"
BY_SOURCE = "SELECT count(*) FROM reading WHERE source_id = $1;"
OF_CHILD = "SELECT sum(value), max(note) FROM child;"
#: A statement on each table, most of whose cost no index saves.
SUMS = "".join(f"SELECT sum(value), max(note), min(at) FROM {table};" for table in (*TABLES, "parted"))


def test_a_longer_proposal_replaces_the_index_that_it_begins_with(shop: Snapshot) -> None:
    """C8: (source_id, at) beside (source_id)."""
    advice = advise(shop, LATEST + BY_SOURCE)
    (proposal,) = advice.proposals
    assert proposal.built.index.columns == ("source_id", "at")
    found = retired(advice)["ix_reading_source"]
    assert (found.because, found.added) == ("replaced", ("at",))
    assert [each.name for each in found.stand_ins] == [proposal.built.index.name]
    document = propose_document(advice, shop)
    assert document.proposals[0].extends == "ix_reading_source"
    assert document.proposals[0].replaces == ("ix_reading_source",)
    (drop,) = document.retirements
    assert drop.ddl == "DROP INDEX CONCURRENTLY IF EXISTS public.ix_reading_source"
    assert drop.downgrade_ddl == "CREATE INDEX CONCURRENTLY ix_reading_source ON public.reading USING btree (source_id)"
    assert drop.net_bytes == (document.proposals[0].size_bytes or 0) - (drop.size_bytes or 0)
    assert drop.cost_after <= drop.cost_before * 1.05


def test_an_index_that_lacks_a_column_is_extended(shop: Snapshot) -> None:
    """C7: what else reads (source_id) INCLUDE (kind) was not recorded, and finds all of it in the extended one."""
    advice = advise(aged(shop, scans={"narrow_kind": 999}), "SELECT value FROM narrow WHERE source_id = $1;")
    (proposal,) = advice.proposals
    index = proposal.built.index
    assert (index.columns, index.include) == (("source_id",), ("kind", "value"))
    assert "extends narrow_kind" in proposal.reason
    assert retired(advice)["narrow_kind"].because == "replaced"


EXTENDED = "SELECT value FROM narrow WHERE source_id = $1;"


def test_an_extended_index_keeps_to_the_rules_and_the_frontier_shows_it(shop: Snapshot) -> None:
    (free,) = (advice := advise(shop, EXTENDED)).proposals
    assert free.built.index.include == ("kind", "value")
    assert [each.size_bytes for each in advice.frontier if each.is_chosen] == [free.built.size_bytes]
    rules = (
        TableRule(tables=("public.narrow",), without_columns=("kind",)),
        TableRule(tables=("public.narrow",), budget=free.built.size_bytes - 1),
    )
    spec = Declared(index=free.built.index, state="rejected", where="specs/x.yaml:3")
    for limits, declared in (*((Limits(rules=(rule,)), ()) for rule in rules), (None, (spec,))):
        (proposal,) = advise(shop, EXTENDED, limits=limits, declared=declared).proposals
        assert proposal.built.index.include == ("value",)


def test_no_index_goes_for_one_that_will_go_itself(shop: Snapshot) -> None:
    sums = "SELECT sum(value), max(note), min(at) FROM doubled; SELECT sum(value), max(note), min(at) FROM longer;"
    by_name = {each.definition.name: each for each in shop.indexes}
    spec = Declared(
        index=by_name["doubled_b"].definition, state="proposed", retires=True, where="specs/x.yaml:3"
    )  # fmt: skip
    long, name = by_name["longer_long"], temporary_name("longer_short", "old")
    replaced = long.model_copy(
        update={
            "definition": long.definition.renamed(name),
            "ddl": long.ddl.replace("longer_long", name),
            "comment": mark("public", "longer_short", "old"),
        }
    )
    snapshot = shop.model_copy(
        update={"indexes": tuple(replaced if each is long else each for each in shop.indexes)}
    )  # fmt: skip
    advice = advise(aged(snapshot, scans=dict.fromkeys(by_name, 999)), sums, declared=[spec])
    assert not retired(advice)
    assert "specs/x.yaml:3 proposes its drop already" in kept(advice)


def test_an_index_goes_for_one_that_does_all_that_it_does(shop: Snapshot) -> None:
    """Every index was scanned by statements that nobody recorded: only a stand-in for all of these will do."""
    everything = {index.definition.name: 999 for index in shop.indexes}
    advice = advise(aged(shop, scans=everything), SUMS)
    assert not advice.proposals
    found = retired(advice)
    stand_ins = {name: tuple(each.name for each in each.stand_ins) for name, each in found.items()}
    assert len({"doubled_a", "doubled_b"} & stand_ins.keys()) == 1
    stand_ins = {name: by for name, by in stand_ins.items() if not name.startswith("doubled")}
    assert stand_ins == {
        "longer_short": ("longer_long",),
        "reversed_short": ("reversed_long",),
        "sole_plain": ("sole_short",),
        "lowered_short": ("lowered_long",),
        "covered_short": ("covered_long",),
        "parted_short": ("parted_long",),
    }
    assert {each.because for each in found.values()} == {"redundant"}
    ddl = {each.name: each.ddl for each in propose_document(advice, shop).retirements}
    assert ddl["parted_short"] == "DROP INDEX IF EXISTS public.parted_short"
    assert "scanned 999 times, 999 times by statements that were not recorded" in kept(advice)
    assert any("longer_long serves them" in each for each in found["longer_short"].caveats)


def test_an_index_that_nothing_scans_goes_unless_something_else_needs_it(shop: Snapshot) -> None:
    advice = advise(aged(shop, scans={"class_short": 3}), SUMS + BY_SOURCE)
    names = retired(advice).keys()
    for stays in ("ix_reading_source", "class_short", "sole_short", "child_source", "identity_short", "ordered_short"):
        assert stays not in names
    assert {"child_value", "class_long", "hashed_a", "lowered_upper", "partly_long"} <= names
    assert "foreign key child_source_id_fkey needs it" in kept(advice)
    assert retired(advice)["child_value"].because == "unused"
    assert not any(each.index.definition.table.startswith("parted_") for each in advice.retirements)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"days": 2}, "scans have been counted for 2 days only, and 7 days are needed"),
        ({"standbys": 1}, "1 standby was not captured, and what is scanned there is not known"),
        ({"scans": None}, "its scans are not known"),
    ],
)
def test_what_was_not_counted_is_not_unused(shop: Snapshot, change: Mapping[str, object], reason: str) -> None:
    days = float(str(change.get("days", 30)))
    snapshot = aged(shop, days=days, scans={"child_value": None} if "scans" in change else {})
    told = {name: value for name, value in change.items() if name not in {"days", "scans"}}
    snapshot = snapshot.model_copy(update={"server": snapshot.server.model_copy(update=told)})
    advice = advise(snapshot, OF_CHILD)
    assert "child_value" not in retired(advice)
    assert reason in kept(advice)


def test_an_index_that_only_a_replica_scans_stays(shop: Snapshot) -> None:
    snapshot = aged(shop, scans={"child_value": 7})
    used = [IndexUse(schema_name="public", name="child_value", scans=number) for number in (0, 7)]
    servers = tuple(
        ServerCounters(
            name=name,
            in_recovery=name == "replica",
            started_at=snapshot.captured_at - timedelta(days=40),
            stats_reset=snapshot.server.stats_reset,
            indexes=(use,),
        )
        for name, use in zip(("primary", "replica"), used, strict=True)
    )
    server = snapshot.server.model_copy(update={"standbys": 1})
    advice = advise(snapshot.model_copy(update={"servers": servers, "server": server}), OF_CHILD)
    assert "child_value" not in retired(advice)
    assert "scanned 7 times (primary 0, replica 7)" in kept(advice)


def test_a_hint_and_a_spec_keep_an_index(shop: Snapshot) -> None:
    snapshot = aged(shop)
    hinted = "SELECT /*+ IndexScan(child child_value) */ sum(value), max(note) FROM child;"
    advice = advise(snapshot, hinted)
    assert "child_value" not in retired(advice)
    assert "a hint of a recorded statement names it" in kept(advice)
    index = next(each.definition for each in snapshot.indexes if each.definition.name == "child_value")
    spec = Declared(index=index, state="approved", where="specs/x.yaml:3")
    with open_twin(snapshot) as twin:
        for change, told in (
            ({"state": "rejected"}, "specs/x.yaml:3 rejects its drop"),
            ({"state": "proposed", "retires": True}, "specs/x.yaml:3 proposes its drop already"),
            ({"of_pattern": True}, "specs/x.yaml:3 declares it for many schemas"),
        ):
            advice = propose(twin, parse_file(OF_CHILD), declared=[replace(spec, **change)])
            assert "child_value" not in retired(advice)
            assert told in kept(advice)
        rule = TableRule(tables=("public.child",), propose=False, reason="by hand")
        advice = propose(twin, parse_file(OF_CHILD), limits=Limits(rules=(rule,)))
        assert "child_value" not in retired(advice)
        assert "rule 1 of [tool.twindex] forbids proposals for public.child: by hand" in kept(advice)
        advice = propose(twin, parse_file(OF_CHILD), declared=[spec])
        assert "specs/x.yaml:3 declares it (approved)" in retired(advice)["child_value"].caveats
