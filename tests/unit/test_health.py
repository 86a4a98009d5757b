"""What `twindex check --health` says of a database, by its snapshot; each rule on a good case and on a bad one."""

import datetime as dt
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import cli
from analyzer.config import Config, HealthSuppression
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.server_log import LogEvent, LogFile, LoggedStatement
from analyzer.documents.snapshot import Constraint, GinPages, Index, Snapshot, TableActivity, dump
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.file import SpecSet, load_specs
from analyzer.workflows.health import health, new_since
from tests.unit.catalogs import recorded, snapshot, statistics, table

MB = 1024**2
T = table("t", "a integer, b integer, c text")
OTHER = table("other", "id bigint")
REFERENCE = Constraint(
    name="fk", kind="f", definition="", columns=("a",), referenced_schema="public", referenced_table="other",
    referenced_columns=("id",), on_delete="c",
)  # fmt: skip


def index(name: str, *columns: str, scans: int | None = 9, size: int = 2 * MB, **changes: object) -> Index:
    """Make an index of t; `changes` are of the definition or of the index."""
    own = {key: changes.pop(key) for key in ("method", "where", "unique", "include") if key in changes}
    keys = tuple(Key(column=column) for column in columns)
    definition = IndexDef(schema="public", table="t", name=name, keys=keys, **own)  # pyright: ignore[reportArgumentType]
    ddl = f"CREATE INDEX {name} ON public.t USING btree ({', '.join(columns)})"
    found = Index(definition=definition, ddl=ddl, scans=scans, size_bytes=size, pages=size // 8192)
    return found.model_copy(update=changes)


def activity(**counted: int) -> TableActivity:
    nothing = {name: 0 for name in TableActivity.model_fields if "last" not in name}
    return TableActivity(**{**nothing, **counted}, last_vacuum=None, last_analyze=None)


def long_counted(found: Snapshot, days: int = 30, **changes: object) -> Snapshot:
    """Return a snapshot of a server whose counters ran for some days."""
    server = found.server.model_copy(update={"stats_reset": found.captured_at - timedelta(days=days), "standbys": 0})
    return found.model_copy(update={"server": server.model_copy(update=changes)})


def examined(found: Snapshot, **settings: object) -> FindingsDocument:
    return health(found, SpecSet(specs=()), Config.model_validate(settings))


def flagged(found: Snapshot, code: str) -> list[str]:
    return [each.object for each in examined(found).findings if each.code == code]


def skipped(found: Snapshot, code: str) -> tuple[str, ...]:
    (count,) = (each for each in examined(found).checks if each.code == code)
    return count.skipped_because


# Indexes


def test_an_index_is_unused_if_the_counters_can_prove_it() -> None:
    found = snapshot(T, indexes=[index("i_a", "a", scans=0), index("i_b", "b", scans=3)])
    assert flagged(long_counted(found), "TX401") == ["public.i_a"]
    assert flagged(long_counted(found, days=6), "TX401") == []
    assert "6 days only" in skipped(long_counted(found, days=6), "TX401")[0]
    assert flagged(found, "TX401") == []
    assert "since when it counts" in skipped(found, "TX401")[0]
    assert flagged(long_counted(found, standbys=1), "TX401") == []
    assert "1 standby was not captured" in skipped(long_counted(found, standbys=1), "TX401")[0]
    assert flagged(long_counted(found, in_recovery=True), "TX401") == []


@pytest.mark.parametrize(
    "kept",
    [
        {"primary": True}, {"constraint": "t_pkey"}, {"unique": True}, {"replica_identity": True}, {"clustered": True},
        {"foreign_keys": ("fk",)}, {"size": 8192}, {"scans": 1}, {"valid": False}, {"parent": ("public", "p")},
    ],
)  # fmt: skip
def test_what_has_a_purpose_is_not_unused(kept: dict[str, object]) -> None:
    given: dict[str, object] = {"scans": 0, **kept}
    assert flagged(long_counted(snapshot(T, indexes=[index("i_a", "a", **given)])), "TX401") == []  # pyright: ignore[reportArgumentType]


def test_the_only_index_of_a_foreign_key_is_needed() -> None:
    referring = T.model_copy(update={"constraints": (REFERENCE,)})
    alone = long_counted(snapshot(referring, OTHER, indexes=[index("i_a", "a", scans=0)]))
    assert flagged(alone, "TX401") == []
    two = long_counted(snapshot(referring, OTHER, indexes=[index("i_a", "a", scans=0), index("i_ab", "a", "b")]))
    assert flagged(two, "TX403") == ["public.i_a"]


def test_of_two_alike_one_stays() -> None:
    found = long_counted(snapshot(T, indexes=[index("i_1", "a"), index("i_2", "a"), index("i_3", "a")]))
    assert flagged(found, "TX402") == ["public.i_2", "public.i_3"]
    unique = long_counted(snapshot(T, indexes=[index("i_1", "a"), index("i_2", "a", constraint="u")]))
    assert flagged(unique, "TX402") == ["public.i_1"]


def test_what_takes_the_place_of_another_index_is_not_dropped_with_it() -> None:
    chain = [index("i_a", "a"), index("i_ab", "a", "b"), index("i_abc", "a", "b", "c", scans=0)]
    document = examined(long_counted(snapshot(T, indexes=chain)))
    assert {(each.code, each.object) for each in document.findings} == {
        ("TX403", "public.i_a"), ("TX403", "public.i_ab"),
    }  # fmt: skip
    assert all("public.i_abc begins" in each.message for each in document.findings)


@pytest.mark.parametrize(
    "other",
    [
        {"where": "b > 0"}, {"method": "hash"}, {"valid": False}, {"ready": False},
    ],
)  # fmt: skip
def test_what_serves_other_queries_covers_nothing(other: dict[str, object]) -> None:
    wide = index("i_ab", *(("a",) if other.get("method") else ("a", "b")), **other)  # pyright: ignore[reportArgumentType]
    assert flagged(long_counted(snapshot(T, indexes=[index("i_a", "a"), wide])), "TX403") == []


def test_an_invalid_index_is_an_error_with_its_drop() -> None:
    (finding,) = examined(snapshot(T, indexes=[index("i_a", "a", valid=False)])).findings
    assert (finding.code, finding.severity) == ("TX404", "error")
    assert finding.remedy is not None
    assert finding.remedy.sql == ("DROP INDEX CONCURRENTLY IF EXISTS public.i_a",)
    assert finding.remedy.reverse == ("CREATE INDEX CONCURRENTLY i_a ON public.t USING btree (a)",)
    belongs = index("i_a", "a", valid=False, constraint="k", unique=True)
    (other,) = examined(snapshot(T, indexes=[belongs])).findings
    assert other.remedy is not None
    assert other.remedy.sql == ("REINDEX INDEX CONCURRENTLY public.i_a",)


def test_an_invalid_index_of_a_partitioned_table_waits_for_its_parts() -> None:
    root = T.model_copy(update={"kind": "p"})
    assert flagged(snapshot(root, indexes=[index("i_a", "a", valid=False)]), "TX404") == []


def test_an_index_larger_than_its_table_is_bloated() -> None:
    small = T.model_copy(update={"size_bytes": 20 * MB})
    assert flagged(snapshot(small, indexes=[index("i", "a", size=30 * MB)]), "TX406") == ["public.i"]
    assert flagged(snapshot(small, indexes=[index("i", "a", size=10 * MB)]), "TX406") == []
    unknown = T.model_copy(update={"size_bytes": None})
    assert skipped(snapshot(unknown, indexes=[index("i", "a", size=30 * MB)]), "TX406")


@pytest.mark.parametrize(("correlation", "count"), [(0.2, 1), (-0.2, 1), (0.9, 0), (-0.9, 0)])
def test_brin_needs_values_in_the_order_of_the_rows(correlation: float, count: int) -> None:
    found = snapshot(
        T, indexes=[index("i", "a", method="brin")], columns=[statistics("t", "a", correlation=correlation)]
    )
    assert len(flagged(found, "TX411")) == count
    assert skipped(snapshot(T, indexes=[index("i", "a", method="brin")]), "TX411")


@pytest.mark.parametrize("opclass", ["int4_minmax_multi_ops", "pg_catalog.int4_bloom_ops"])
def test_other_brin_classes_do_not_rest_on_the_order(opclass: str) -> None:
    brin = index("i", "a", method="brin")
    definition = replace(brin.definition, keys=(Key(column="a", opclass=opclass),))
    brin = brin.model_copy(update={"definition": definition})
    found = snapshot(T, indexes=[brin], columns=[statistics("t", "a", correlation=0.0)])
    assert flagged(found, "TX411") == []
    assert skipped(found, "TX411")


@pytest.mark.parametrize(("pending", "count"), [(10, 0), (200, 1)])
def test_a_long_pending_list_is_read_by_each_scan(pending: int, count: int) -> None:
    pages = GinPages.invented(pages=256, pending_pages=pending)
    assert len(flagged(snapshot(T, indexes=[index("i", "c", method="gin", gin=pages)]), "TX412")) == count


# Vectors


def vectors(method: str, rows: float = 1_000_000, **changes: object) -> Snapshot:
    items = table("t", "a integer, v vector(3)", rows=rows)
    settings = {"effective_cache_size": "65536", "hnsw.iterative_scan": "off"}
    found = snapshot(items, indexes=[index("i", "v", method=method, **changes)])  # pyright: ignore[reportArgumentType]
    return found.model_copy(update={"settings": {**found.settings, **settings}})


@pytest.mark.parametrize(("lists", "count"), [(1000, 0), (300, 0), (3999, 0), (100, 1), (10_000, 1)])
def test_lists_are_for_so_many_rows(lists: int, count: int) -> None:
    found = vectors("ivfflat")
    definition = replace(found.indexes[0].definition, parameters=(("lists", str(lists)),))
    found = found.model_copy(update={"indexes": (found.indexes[0].model_copy(update={"definition": definition}),)})
    assert len(flagged(found, "TX413")) == count
    if count:
        (finding,) = (each for each in examined(found).findings if each.code == "TX413")
        assert finding.remedy is not None
        assert finding.remedy.sql[0] == "ALTER INDEX public.i SET (lists = '1000')"
        assert finding.remedy.reverse[0] == f"ALTER INDEX public.i SET (lists = '{lists}')"
    assert skipped(vectors("ivfflat", rows=-1), "TX413")


@pytest.mark.parametrize("text", ["\u00b2", "9" * 5_000, "", "-1", "1e9"])
def test_numbers_of_a_hostile_snapshot_cost_no_more_than_themselves(text: str) -> None:
    found = vectors("ivfflat")
    definition = replace(found.indexes[0].definition, parameters=(("lists", text),))
    settings = {**found.settings, "effective_cache_size": text, "default_statistics_target": text}
    others = index("h", "v", method="hnsw"), index("b", "a", size=20 * MB)
    found = found.model_copy(update={
        "indexes": (found.indexes[0].model_copy(update={"definition": definition}), *others),
        "relations": (found.relations[0].model_copy(update={"parameters": (f"fillfactor={text}",)}),),
        "settings": settings,
    })  # fmt: skip
    assert flagged(found, "TX413") == ["public.i"]
    assert skipped(found, "TX414")


def test_hnsw_has_to_fit_in_memory() -> None:
    assert flagged(vectors("hnsw", size=600 * MB), "TX414") == ["public.i"]
    assert flagged(vectors("hnsw", size=400 * MB), "TX414") == []


@pytest.mark.parametrize(
    ("query", "setting", "count"),
    [
        ("SELECT a FROM t WHERE a = $1 ORDER BY v <-> $2 LIMIT 10", "off", 1),
        ("SELECT a FROM t WHERE a = $1 ORDER BY v <-> $2 LIMIT 10", "strict_order", 0),
        ("SELECT a FROM t ORDER BY v <-> $2 LIMIT 10", "off", 0),
        ("SELECT a FROM t WHERE a = $1", "off", 0),
    ],
)
def test_a_filter_after_the_search_returns_too_few(query: str, setting: str, count: int) -> None:
    found = vectors("hnsw").model_copy(update={"statements": (recorded(query),)})
    found = found.model_copy(update={"settings": {**found.settings, "hnsw.iterative_scan": setting}})
    assert len(flagged(found, "TX415")) == count


# Foreign keys


def test_a_foreign_key_without_an_index_says_what_is_read() -> None:
    referring = T.model_copy(update={"constraints": (REFERENCE,)})
    deleted = OTHER.model_copy(update={"activity": activity(rows_deleted=12)})
    (finding,) = (each for each in examined(snapshot(referring, deleted)).findings if each.code == "TX502")
    assert finding.severity == "warning"
    assert "reads all 1,000,000 rows, and cascades; 12 rows were deleted there" in finding.message
    assert finding.remedy is not None
    assert finding.remedy.sql == ("CREATE INDEX CONCURRENTLY ix_t_a ON public.t USING btree (a)",)
    (note,) = (each for each in examined(snapshot(referring, OTHER)).findings if each.code == "TX502")
    assert note.severity == "info"
    assert flagged(snapshot(referring, deleted, indexes=[index("i", "a", "b")]), "TX502") == []


def test_an_index_that_is_declared_for_a_foreign_key_waits_for_its_revision(tmp_path: Path) -> None:
    referring = T.model_copy(update={"constraints": (REFERENCE,)})
    (tmp_path / "t.yaml").write_text("table: public.t\nindexes:\n  - {name: ix, keys: [a, b]}\n", encoding="utf-8")
    document = health(snapshot(referring, OTHER), load_specs(tmp_path), Config())
    assert not [each for each in document.findings if each.code == "TX502"]
    (count,) = (each for each in document.checks if each.code == "TX502")
    assert count.skipped_because == ("public.ix is declared for it, and waits for its revision",)


def test_small_and_unknown_tables_are_not_flagged() -> None:
    small = T.model_copy(update={"constraints": (REFERENCE,), "tuples": 10})
    assert flagged(snapshot(small, OTHER), "TX502") == []
    unknown = T.model_copy(update={"constraints": (REFERENCE,), "tuples": -1})
    assert flagged(snapshot(unknown, OTHER), "TX502") == []
    assert skipped(snapshot(unknown, OTHER), "TX502")


def test_a_foreign_key_narrower_than_its_key_runs_out_first() -> None:
    referring = T.model_copy(update={"constraints": (REFERENCE,)})
    (finding,) = (each for each in examined(snapshot(referring, OTHER)).findings if each.code == "TX503")
    assert (finding.severity, "a is integer, and id of public.other is bigint" in finding.message) == ("warning", True)
    same = table("t", "a bigint").model_copy(update={"constraints": (REFERENCE,)})
    assert flagged(snapshot(same, OTHER), "TX503") == []


# Statements and counters


def test_slow_statements_are_those_that_matter() -> None:
    found = snapshot(T, statements=[
        recorded("SELECT a FROM t", calls=10, total_ms=5_000, queryid="1"),
        recorded("SELECT b FROM t", calls=10_000, total_ms=5_000, queryid="2"),
        recorded("SELECT c FROM t", calls=1, total_ms=99, queryid="3"),
    ])  # fmt: skip
    (finding,) = (each for each in examined(found).findings if each.code == "TX601")
    assert finding.message == "500 ms on average over 10 calls, 49.5 % of the recorded time"


def test_a_statement_that_spills_is_told_with_its_bytes() -> None:
    spilling = recorded("SELECT a FROM t ORDER BY 1", calls=2).model_copy(update={"temp_blocks": 2 * 200 * MB // 8192})
    (finding,) = (each for each in examined(snapshot(T, statements=[spilling])).findings if each.code == "TX603")
    assert "writes and reads 200 MB of temporary files in each of 2 calls" in finding.message
    assert flagged(snapshot(T, statements=[recorded("SELECT a FROM t")]), "TX603") == []


def test_entries_of_one_statement_are_counted() -> None:
    lists = [
        recorded(f"SELECT a FROM t WHERE b IN ({', '.join(f'${n + 1}' for n in range(length))})", queryid=str(length))
        for length in range(1, 13)
    ]
    (finding,) = (each for each in examined(snapshot(T, statements=lists)).findings if each.code == "TX609")
    assert finding.message.startswith("12 entries")
    assert flagged(snapshot(T, statements=lists[:4]), "TX609") == []


def test_counters_of_the_database() -> None:
    def read(scanned: int, found: int) -> Snapshot:
        scanning = T.model_copy(update={"activity": activity(seq_rows_read=scanned)})
        return snapshot(scanning, indexes=[index("i", "a", rows_read=found)])

    assert flagged(read(9_000_000, 1_000_000), "TX602") == ["shop"]
    assert flagged(read(5_000_000, 5_000_000), "TX602") == []
    assert skipped(read(9, 1), "TX602") == ("too few rows were read since the counters began",)
    assert skipped(snapshot(T), "TX602")

    def hits(hit: int, miss: int) -> Snapshot:
        counted = {"shared_blocks_hit": hit, "shared_blocks_read": miss}
        return snapshot(T, statements=[recorded("SELECT a FROM t").model_copy(update=counted)])

    assert flagged(hits(500_000, 500_000), "TX604") == ["shop"]
    assert flagged(hits(900_000, 100_000), "TX604") == []
    assert skipped(hits(1, 1), "TX604")


@pytest.mark.parametrize(("connections", "count"), [(95, 1), (90, 0), (None, 0)])
def test_connections_that_are_almost_used_up(connections: int | None, count: int) -> None:
    found = long_counted(snapshot(T), connections=connections, max_connections=100)
    assert len(flagged(found, "TX605")) == count


def test_errors_are_a_share_of_what_was_logged() -> None:
    file = LogFile(name="a.log", format="stderr", records=9)
    logged = LoggedStatement(query="SELECT a FROM t", calls=90)
    events = (LogEvent(kind="error", detail="23505", count=10),)
    found = snapshot(T).model_copy(update={"log_files": (file,), "log_statements": (logged,), "log_events": events})
    (finding,) = (each for each in examined(found).findings if each.code == "TX606")
    assert finding.message == "10.0 % of the logged statements failed: 10 errors, most of them 23505"
    assert flagged(found.model_copy(update={"log_events": ()}), "TX606") == []


def test_the_window_and_evictions_of_pg_stat_statements() -> None:
    found = snapshot(T)
    short = found.model_copy(update={"statements_reset": found.captured_at - timedelta(hours=5)})
    assert flagged(short, "TX607") == ["shop"]
    assert flagged(found.model_copy(update={"statements_reset": found.captured_at - timedelta(days=8)}), "TX607") == []
    assert flagged(found.model_copy(update={"statements_evicted": 3}), "TX608") == ["shop"]
    assert flagged(found.model_copy(update={"statements_evicted": 0}), "TX608") == []
    assert skipped(found, "TX607")
    assert skipped(found, "TX608")


# Settings, and the command


INVALID = snapshot(T, indexes=[index("i_a", "a", valid=False)])
DUPLICATE = snapshot(T, indexes=[index("i_1", "a"), index("i_2", "a")])


def test_a_suppression_takes_a_finding_out_of_the_count_until_its_date() -> None:
    rule = {"code": "duplicate-index", "object": "public.i_*", "reason": "known"}
    document = examined(DUPLICATE, suppressions=(rule,))
    assert (document.findings, [each.code for each in document.suppressed]) == ((), ["TX402"])
    (count,) = (each for each in document.checks if each.code == "TX402")
    assert (count.flagged, count.suppressed) == (0, 1)
    for changed in ({"until": dt.date(2020, 1, 1)}, {"object": "public.other*"}, {"code": "TX401"}):
        assert [each.code for each in examined(DUPLICATE, suppressions=({**rule, **changed},)).findings] == ["TX402"]


def test_an_error_is_never_suppressed() -> None:
    hidden = HealthSuppression(code="TX404", object="*", reason="no time").model_dump()
    assert [each.code for each in examined(INVALID, suppressions=(hidden,)).findings] == ["TX404"]


def test_thresholds_are_the_projects() -> None:
    found = long_counted(snapshot(T, indexes=[index("i_a", "a", scans=0)]))
    assert examined(found, thresholds={"unused-index": {"size": 3 * MB}}).findings == ()
    with pytest.raises(InputError, match=r"thresholds.unused-index.sizes: no rule has such a threshold"):
        examined(found, thresholds={"unused-index": {"sizes": 1}})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Config.model_validate({"thresholds": {"unused-index": {"size": -5}}})
    with pytest.raises(InputError, match="there is no rule TX999 about databases"):
        examined(found, suppressions=({"code": "TX999", "object": "*", "reason": "?"},))


def test_what_was_known_before_is_not_new() -> None:
    before = examined(DUPLICATE)
    assert new_since(examined(DUPLICATE), before) == ()
    more = snapshot(T, indexes=[index("i_1", "a"), index("i_2", "a"), index("i_3", "a")])
    assert [each.object for each in new_since(examined(more), before)] == ["public.i_3"]


def test_the_command_is_a_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dump(DUPLICATE, tmp_path / "one")
    dump(snapshot(T, indexes=[index("i_1", "a"), index("i_2", "a"), index("i_3", "a")]), tmp_path / "more")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["check", "--health", "--quiet", *arguments])
        return result.exit_code, result.output

    assert run("one")[0] == 0
    status, text = run("one", "--fail-on", "warning", "-o", "base.json", "-o", "text.txt")
    assert (status, text) == (1, "")
    assert "TX402 public.i_2" in (tmp_path / "text.txt").read_text()
    assert json.loads((tmp_path / "base.json").read_text())["findings"][0]["remedy"]["lock"] == "SHARE UPDATE EXCLUSIVE"
    assert run("one", "--fail-on", "warning", "--fail-on-new", "base.json")[0] == 0
    assert run("more", "--fail-on", "warning", "--fail-on-new", "base.json")[0] == 1
    (tmp_path / "no.json").write_text("{}")
    for arguments, reason in (
        (["--health", "one", "--fail-on-new", "no.json"], "no.json has no findings of twindex"),
        (["one", "--fail-on-new", "base.json"], "add --health"),
    ):
        result = CliRunner().invoke(cli, ["check", *arguments])
        assert isinstance(result.exception, InputError)
        assert reason in str(result.exception)


def test_hostile_names_stay_quoted_and_harmless() -> None:
    name = "i\x1b[31m\"; DROP TABLE t; --'%s\u202e"
    found = long_counted(snapshot(T, indexes=[index(name, "a", scans=0)]))
    (finding,) = examined(found).findings
    assert finding.remedy is not None
    assert '""; DROP TABLE t; --' in finding.remedy.sql[0]
