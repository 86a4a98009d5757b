"""Lint by the text alone, and with a snapshot made of records: rules, suppressions, counts."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, func
from sqlalchemy import Index as ModelIndex

from analyzer.catalog import Catalog
from analyzer.checks.lint import lint
from analyzer.checks.registry import LINT_RULES, page
from analyzer.checks.rule import Known
from analyzer.checks.spec.context import known_of
from analyzer.checks.spec.overlap import covers
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.documents.snapshot import Extension, Index, Relation, TableActivity
from analyzer.errors import InputError, NotExaminableError
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.edits import Edit, apply_edits
from analyzer.specs.file import load_specs
from analyzer.specs.sqlalchemy_indexes import model_indexes
from analyzer.specs.tolerant import load_sources
from tests.unit.catalogs import recorded, snapshot, statistics, table

TODAY = dt.date(2026, 6, 1)
SEE_SCHEMA = "; see schema.json for what it takes"
ROOT = Path(__file__).parents[2]


def text_of(*entries: str, table_name: str = "public.item") -> str:
    body = "".join("  - " + entry.strip("\n").replace("\n", "\n    ") + "\n" for entry in entries)
    return f"table: {table_name}\nindexes:\n{body}"


def linted(
    directory: Path, text: str, known: Known | None = None, *, models: Sequence[IndexDef] | None = None
) -> FindingsDocument:
    path = directory / "item.yaml"
    path.write_text(text, encoding="utf-8")
    return lint(load_sources([path]), today=TODAY, known=known, model_indexes=models)


def found(document: FindingsDocument) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in document.findings]


def only(document: FindingsDocument, code: str) -> SpecFinding:
    (finding,) = [each for each in document.findings if each.code == code]
    return finding


def knows(
    relations: Sequence[Relation],
    *,
    indexes: Sequence[Index] = (),
    extensions: Sequence[tuple[str, str]] = (("vector", "0.8.2"),),
    memory_bytes: int | None = None,
    stats: Sequence[Any] = (),
    statements: Sequence[str] = (),
) -> Known:
    captured = snapshot(
        *relations,
        columns=stats,
        statements=[recorded(query, queryid=str(n)) for n, query in enumerate(statements, 1)],
        indexes=indexes,
        collate="en_US.UTF-8",
    )
    installed = tuple(Extension(name=name, version=version, schema_name="public") for name, version in extensions)
    server = captured.server.model_copy(update={"maintenance_work_mem_bytes": memory_bytes, "tablespaces": ("fast",)})
    return known_of(Catalog(captured.model_copy(update={"extensions": installed, "server": server})))


class TestFiles:
    def test_one_mistake_does_not_hide_the_next(self, tmp_path: Path) -> None:
        text = text_of(
            "name: ix_a\nmethd: gin\nkeys: [a]",
            "name: ix_b\nkeys: [lower(b), c]",
            f"name: {'x' * 64}\nkeys: [a]",
            "name: ix_c\nmethod: hash\nkeys: [a, b]",
        )
        document = linted(tmp_path, text)
        assert found(document) == [("TX100", 4), ("TX104", 7), ("TX114", 8), ("TX109", 12)]
        assert only(document, "TX104").fix == "keys: [{expression: lower(b)}, c]\n"
        assert document.objects == 4

    @pytest.mark.parametrize("name", ["v2.ix", "ix.2026", ".ix", "ix.", "public.there"])
    def test_a_name_may_contain_a_dot_unless_a_schema_is_before_it(self, tmp_path: Path, name: str) -> None:
        text = text_of(f"name: {name}\nkeys: [a]")
        there = IndexDef(schema="public", table="item", name="public.there", method="btree", keys=(Key(column="s"),))
        known = knows([ITEM], indexes=[Index(definition=there, ddl="")])
        assert "TX114" not in [code for code, _ in found(linted(tmp_path, text, known=known))]
        captured = known.catalog.snapshot.model_copy(update={"schemas": ("public", "v2")})
        qualified = found(linted(tmp_path, text, known=known_of(Catalog(captured))))
        assert ("TX114" in [code for code, _ in qualified]) == (name == "v2.ix")
        assert "TX114" in [code for code, _ in found(linted(tmp_path, text_of("name: public.ix\nkeys: [a]")))]

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("{name: i, keys: []}", "keys: empty; name at least one"),
            ("{name: i, keys: a}", "keys: must be a list; put it in brackets: [a]"),
            ("{name: i, keys: [a], where: true}", "where: must be a string; put it in quotes"),
            ("{name: i, keys: [a], comment: ''}", "comment: empty; write a value, or omit the key"),
            (
                "{name: i, keys: [null]}",
                "keys.1: must be a mapping; write its keys in braces, such as {column: a, order: desc}",
            ),
            ("{name: i, keys: [a], until: soon}", "until: must be a date (YYYY-MM-DD); write it as 2027-01-31"),
            (
                "{name: i, keys: [a], build: {maintenance_work_mem: 2gb}}",
                "build.maintenance_work_mem: must be a size with kB, MB or GB; write it as 2GB",
            ),
            (
                "{name: i, keys: [a], keep_old: 1 week}",
                "keep_old: must be a duration with min, h or d; write it as 90min, 12h or 1d",
            ),
            (
                "{name: i, keys: [a], state: aproved}",
                "state: it should be 'proposed', 'approved', 'rejected' or 'retired'" + SEE_SCHEMA,
            ),
            (
                "{name: i, keys: [{expression: lower(a), statistics: 10001}]}",
                "keys.1.statistics: it should be less than or equal to 10000" + SEE_SCHEMA,
            ),
        ],
    )
    def test_a_mistake_is_said_once_and_in_words(self, tmp_path: Path, entry: str, message: str) -> None:
        (finding,) = linted(tmp_path, f"table: public.item\nindexes:\n  - {entry}\n").findings
        assert (finding.code, finding.line, finding.message) == ("TX100", 3, message)
        with pytest.raises(InputError, match=re.escape(f"item.yaml:3: indexes.1.{message}")):
            load_specs(tmp_path)

    def test_what_is_no_yaml_is_a_finding(self, tmp_path: Path) -> None:
        assert found(linted(tmp_path, "table: a.b\nindexes: [")) == [("TX100", 2)]

    def test_no_spec_is_no_clean_bill(self, tmp_path: Path) -> None:
        with pytest.raises(NotExaminableError, match="no spec"):
            linted(tmp_path, "table: a.b\nindexes: []\n")

    def test_a_missing_path_is_the_users_mistake(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is neither a spec file nor a directory"):
            load_sources([tmp_path / "nothing"])

    def test_every_rule_accounts_for_every_spec(self, tmp_path: Path) -> None:
        text = text_of(
            "name: ix_a\nkeys: [a]\nwhere: now() > b",
            "name: ix_b\nkeys: [b]\nstate: rejected",
            "name: ix_c\nkeys: 7",
            "name: ix_d\nmethod: hnsw\nkeys: [a]",
        )
        document = linted(tmp_path, text)
        about_files = {"TX100", "TX190", "TX290", "TX291"}
        about_specs = [c for c in document.checks if c.code not in about_files and LINT_RULES[c.code].kind == "index"]
        assert {(check.examined + check.skipped) for check in about_specs} == {4}
        assert all(check.skipped_because for check in about_specs if check.skipped)

    def test_two_specs_of_one_name(self, tmp_path: Path) -> None:
        document = linted(tmp_path, text_of("name: ix_a\nkeys: [a]", "name: ix_a\nkeys: [b]"))
        assert ("TX126", 5) in found(document)

    def test_an_index_of_the_model_too(self, tmp_path: Path) -> None:
        text = text_of("name: ix_a\nkeys: [a]", "name: ix_b\nkeys: [b]")
        metadata = MetaData()
        item = Table("item", metadata, Column("a", Integer), Column("b", Integer))
        ModelIndex("ix_b", item.c.a, item.c.b)
        ModelIndex("ix_a", Table("item", metadata, Column("a", Integer), schema="other").c.a)
        document = linted(tmp_path, text, models=model_indexes(metadata.sorted_tables, "public"))
        assert found(document) == [("TX127", 5)]

    def test_an_index_of_the_model_under_another_name(self, tmp_path: Path) -> None:
        item = Table("item", MetaData(), Column("a", Integer), Column("s", Text))
        ModelIndex("ix_model", item.c.a.desc(), func.lower(item.c.s), postgresql_where=item.c.a > 1)
        spec = "name: {}\nkeys: [{{column: a, order: desc}}, {{expression: lower(s)}}]\nwhere: {}"
        text = text_of(spec.format("ix_same", "a > 1"), spec.format("ix_other", "a > 2"))
        document = linted(tmp_path, text, models=model_indexes([item], "public"))
        finding = only(document, "TX127")
        assert (finding.line, finding.message.rpartition(", ")[2]) == (3, "there as ix_model")


class TestSuppressions:
    BAD = "name: ix_a\nmethod: hash\nkeys: [a, b]"

    def _document(self, tmp_path: Path, comment: str, spec: str = BAD) -> FindingsDocument:
        return linted(tmp_path, f"table: public.item\nindexes:\n  # {comment}\n" + text_of(spec).split("\n", 2)[2])

    def test_a_reason_takes_it_out_of_the_count(self, tmp_path: Path) -> None:
        document = self._document(tmp_path, "twindex: ignore TX109 reason: our fork allows it until: 2027-01-31")
        assert found(document) == []
        (suppressed,) = document.suppressed
        assert suppressed.suppression is not None
        assert suppressed.suppression.reason == "our fork allows it"
        assert suppressed.suppression.until == dt.date(2027, 1, 31)
        count = next(check for check in document.checks if check.code == "TX109")
        assert (count.flagged, count.suppressed) == (0, 1)

    def test_at_the_end_of_a_line_of_the_spec(self, tmp_path: Path) -> None:
        text = text_of("name: ix_a\nmethod: hash # twindex: ignore TX109 reason: because\nkeys: [c, d]", self.BAD)
        document = linted(tmp_path, text.replace("ix_a", "ix_b", 1))
        assert found(document) == [("TX109", 8)]

    def test_without_a_reason_it_does_nothing(self, tmp_path: Path) -> None:
        document = self._document(tmp_path, "twindex: ignore TX109")
        assert found(document) == [("TX190", 3), ("TX109", 6)]

    @pytest.mark.parametrize(
        "comment",
        [
            "twindex: ignore everything reason: x",
            "twindex: ignore TX109 reason: x until: soon",
            "twindex: ignore TX999 reason: x",
            "twindex: ignore TX190 reason: x",
            "twindex: ignore TX301 reason: x",
            "twindex: ignore TX109 everything reason: x",
            "twindex: ignore reason: x",
            "twindex: ignore",
            "twindex: ignore TX109 because I say so",
        ],
    )
    def test_malformed(self, tmp_path: Path, comment: str) -> None:
        assert ("TX190", 3) in found(self._document(tmp_path, comment))

    @pytest.mark.parametrize("name", ["tx109", "multicolumn-not-supported", "One-Key-Only", "TX106, one-key-only"])
    def test_a_rule_goes_by_its_code_its_name_and_its_former_name(self, tmp_path: Path, name: str) -> None:
        document = self._document(tmp_path, f"twindex: ignore {name} reason: our fork allows it")
        assert [finding.code for finding in document.suppressed] == ["TX109"]
        assert "TX190" not in [code for code, _ in found(document)]

    def test_expired_ones_do_not_count(self, tmp_path: Path) -> None:
        document = self._document(tmp_path, "twindex: ignore TX109 reason: x until: 2026-05-31")
        assert found(document) == [("TX109", 6), ("TX291", 3)]

    def test_unused_ones_are_reported(self, tmp_path: Path) -> None:
        document = self._document(tmp_path, "twindex: ignore TX106 reason: x")
        assert found(document) == [("TX109", 6), ("TX290", 3)]

    def test_not_when_the_rule_could_not_look(self, tmp_path: Path) -> None:
        document = self._document(tmp_path, "twindex: ignore TX215 reason: x", "name: a\nmethod: brin\nkeys: [a]")
        assert found(document) == []

    def test_a_number_sign_inside_a_text_is_no_comment(self, tmp_path: Path) -> None:
        spec = 'name: ix_a\nkeys: [a]\nwhy: "see # twindex: ignore TX109 reason: x"'
        assert found(linted(tmp_path, text_of(spec))) == []


def test_findings_keep_their_fingerprint_when_lines_move(tmp_path: Path) -> None:
    text = text_of("name: ix_a\nmethod: hash\nkeys: [a, b]\nunique: true")
    before = linted(tmp_path, text)
    after = linted(tmp_path, text.replace("indexes:", "# one\n# two\nindexes:"))
    assert [f.fingerprint for f in before.findings] == [f.fingerprint for f in after.findings]
    assert len({f.fingerprint for f in before.findings}) == len(before.findings) == 2
    assert found(before) != found(after)


ITEM = table("item", "id bigint, a int, s text, v vector(384), doc jsonb, at timestamptz", rows=1_000_000)


class TestWarnings:
    def _both(self, tmp_path: Path, code: str, bad: str, good: str, known: Known | None) -> SpecFinding:
        assert code not in [c for c, _ in found(linted(tmp_path, text_of(good), known))]
        finding = only(linted(tmp_path, text_of(bad), known), code)
        count = next(check for check in linted(tmp_path, text_of(good), known).checks if check.code == code)
        assert (count.examined, count.skipped) == (1, 0), "silence must come of looking"
        if finding.fix is not None:
            assert finding.edits
            mended = apply_edits(text_of(bad), [Edit(**edit.model_dump()) for edit in finding.edits])
            assert code not in [c for c, _ in found(linted(tmp_path, mended, known))], "its own fix silences it"
        return finding

    def test_gin_on_text(self, tmp_path: Path) -> None:
        finding = self._both(
            tmp_path,
            "TX201",
            "name: i\nmethod: gin\nkeys: [s]",
            "name: i\nmethod: gin\nkeys: [{column: s, opclass: gin_trgm_ops}]",
            knows([ITEM]),
        )
        assert finding.fix == "keys: [{column: s, opclass: gin_trgm_ops}]\n"

    def test_jsonb_without_a_class(self, tmp_path: Path) -> None:
        finding = self._both(
            tmp_path,
            "TX202",
            "name: i\nmethod: gin\nkeys: [doc]",
            "name: i\nmethod: gin\nkeys: [{column: doc, opclass: jsonb_path_ops}]",
            knows([ITEM]),
        )
        assert finding.fix == "keys: [{column: doc, opclass: jsonb_path_ops}]\n"

    @pytest.mark.parametrize(
        ("query", "opclass", "said"),
        [
            ("doc @> $1", "jsonb_path_ops", "the recorded statements use @> of it"),
            ("doc ? $1 AND doc @> $2", "jsonb_ops", "the recorded statements use ?, @> of it"),
            ("doc ->> 'a' = $1", "jsonb_path_ops", "no recorded statement uses an operator of either"),
        ],
    )
    def test_jsonb_by_what_is_asked(self, tmp_path: Path, query: str, opclass: str, said: str) -> None:
        known = knows([ITEM], statements=[f"SELECT id FROM item WHERE {query}"])
        finding = only(linted(tmp_path, text_of("name: i\nmethod: gin\nkeys: [doc]"), known), "TX202")
        assert finding.message.endswith(said)
        assert finding.fix == f"keys: [{{column: doc, opclass: {opclass}}}]\n"

    def test_a_jsonb_class_that_serves_not_what_is_asked(self, tmp_path: Path) -> None:
        known = knows([ITEM], statements=["SELECT id FROM item WHERE doc ?| $1"])
        spec = "name: i\nmethod: gin\nkeys: [{{column: doc, opclass: {}}}]"
        finding = self._both(tmp_path, "TX202", spec.format("jsonb_path_ops"), spec.format("jsonb_ops"), known)
        assert "use ?| of doc, which jsonb_path_ops does not serve" in finding.message

    def test_wide_keys(self, tmp_path: Path) -> None:
        long = '{short,"' + "x" * 3000 + '"}'
        known = knows(
            [ITEM],
            stats=[
                statistics("item", "s", width=900, common=long, frequencies=(0.1, 0.1)),
                statistics("item", "a", width=4),
                statistics("item", "id"),
            ],
        )
        finding = self._both(tmp_path, "TX203", "name: i\nkeys: [s]", "name: i\nkeys: [a]\ninclude: [id]", known)
        assert "3,000 bytes" in finding.message
        assert finding.fix == "method: hash\n"
        included = only(linted(tmp_path, text_of("name: i\nkeys: [a]\ninclude: [id, s]"), known), "TX203")
        assert included.fix == "include: [id]\n"

    def test_wide_keys_are_not_seen_without_statistics(self, tmp_path: Path) -> None:
        document = linted(tmp_path, text_of("name: i\nkeys: [s]"), knows([ITEM]))
        assert next(check for check in document.checks if check.code == "TX203").skipped == 1

    def test_ivfflat_rows(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: ivfflat\nkeys: [{{column: v, opclass: vector_l2_ops}}]\nwith: {{lists: {}}}"
        known = knows([ITEM])
        assert "50,000" not in self._both(tmp_path, "TX204", spec.format(30_000), spec.format("auto"), known).message
        assert "differ widely from" in self._both(tmp_path, "TX204", spec.format(20), spec.format(1000), known).message

    def test_ivfflat_counts_rows_with_a_vector(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: ivfflat\nkeys: [{column: v, opclass: vector_l2_ops}]\nwith: {lists: 1000}"
        known = knows([ITEM], stats=[statistics("item", "v", nulls=0.99)])
        assert "10,000 rows" in only(linted(tmp_path, text_of(spec), known), "TX204").message

    def test_hnsw_memory(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: hnsw\nkeys: [{column: v, opclass: vector_l2_ops}]"
        finding = self._both(
            tmp_path, "TX205", spec, spec + "\nbuild: {maintenance_work_mem: 3GB}", knows([ITEM], memory_bytes=2**30)
        )
        assert "2,151 MB" in finding.message  # 1 M rows of 4 * 384 + 8 + 32 * 16 + 200 bytes
        assert finding.fix == "build: {maintenance_work_mem: 2367MB}\n"
        again = linted(tmp_path, text_of(spec + "\n" + finding.fix.strip()), knows([ITEM], memory_bytes=2**30))
        assert "TX205" not in [code for code, _ in found(again)]

    def test_ivfflat_memory(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: ivfflat\nkeys: [{{column: v, opclass: vector_l2_ops}}]\nwith: {{lists: {}}}"
        known = knows([ITEM], memory_bytes=2**30)
        finding = self._both(tmp_path, "TX206", spec.format(5000), spec.format(1000), known)
        assert finding.fix is not None
        assert finding.fix.startswith("build:")

    def test_old_pgvector(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: hnsw\nkeys: [{column: v, opclass: vector_l2_ops}]"
        old = knows([ITEM], extensions=[("vector", "0.7.4")])
        assert "0.7.4" in only(linted(tmp_path, text_of(spec), old), "TX207").message
        alone = linted(tmp_path, text_of(spec + "\nbuild: {parallel_workers: 0}"), old)
        assert "TX207" not in [code for code, _ in found(alone)]
        assert "TX207" not in [code for code, _ in found(linted(tmp_path, text_of(spec), knows([ITEM])))]

    def test_another_distance(self, tmp_path: Path) -> None:
        spec = "name: i\nmethod: hnsw\nkeys: [{{column: v, opclass: vector_{}_ops}}]"
        known = knows([ITEM], statements=["SELECT id FROM item ORDER BY v <=> $1 LIMIT 10"])
        finding = self._both(tmp_path, "TX208", spec.format("l2"), spec.format("cosine"), known)
        assert finding.fix == "keys: [{column: v, opclass: vector_cosine_ops}]\n"

    def test_prefix_search(self, tmp_path: Path) -> None:
        known = knows([ITEM], statements=["SELECT id FROM item WHERE s LIKE $1"])
        spec = "name: i\nkeys: [{column: s, opclass: text_pattern_ops}]"
        finding = self._both(tmp_path, "TX209", "name: i\nkeys: [s]", spec, known)
        assert finding.fix == "keys: [{column: s, opclass: text_pattern_ops}]\n"
        sorted_too = knows([ITEM], statements=["SELECT id FROM item WHERE s LIKE $1 ORDER BY s LIMIT 3"])
        assert found(linted(tmp_path, text_of("name: i\nkeys: [s]"), sorted_too)) == []

    def test_busy_gin(self, tmp_path: Path) -> None:
        activity = TableActivity(
            seq_scans=0, seq_rows_read=0, index_scans=0, rows_inserted=90_000, rows_updated=60_000,
            rows_hot_updated=10_000, rows_deleted=0, live_rows=0, dead_rows=0, modified_since_analyze=0,
            last_vacuum=None, last_analyze=None,
        )  # fmt: skip
        spec = "name: i\nmethod: gin\nkeys: [{column: doc, opclass: jsonb_path_ops}]"
        busy = knows([ITEM.model_copy(update={"activity": activity})])
        finding = self._both(tmp_path, "TX210", spec, spec + "\nwith: {fastupdate: true}", busy)
        assert finding.severity == "info"

    def test_predicates_parameters_cannot_prove(self, tmp_path: Path) -> None:
        self._both(
            tmp_path, "TX211", "name: i\nkeys: [a]\nwhere: s = 'open'", "name: i\nkeys: [a]\nwhere: s IS NULL", None
        )

    def test_predicates_by_what_is_asked(self, tmp_path: Path) -> None:
        text = text_of("name: i\nkeys: [a]\nwhere: s = 'open'")
        asked = knows([ITEM], statements=["SELECT id FROM item WHERE s = $1", "SELECT s FROM item WHERE a = $1"])
        assert "; 1 recorded conditions compare s, with" in only(linted(tmp_path, text, asked), "TX211").message
        other = knows([ITEM], statements=["SELECT s FROM item WHERE a = $1"])
        assert "no recorded statement compares s, so none" in only(linted(tmp_path, text, other), "TX211").message
        constant = knows([ITEM], statements=["SELECT id FROM item WHERE s='open' AND a = $1"])
        assert found(linted(tmp_path, text, constant)) == []

    def test_tablespaces_and_extensions_of_a_snapshot(self, tmp_path: Path) -> None:
        spec = "name: i\nkeys: [a]\ntablespace: {}"
        assert "TX120" not in [c for c, _ in found(linted(tmp_path, text_of(spec.format("fast")), knows([ITEM])))]
        finding = only(linted(tmp_path, text_of(spec.format("slow")), knows([ITEM])), "TX120")
        assert finding.rewrite == "one of fast, or none for the database's own"

    def test_too_many_keys_and_doubled_columns(self, tmp_path: Path) -> None:
        known = knows([ITEM])
        self._both(tmp_path, "TX212", "name: i\nkeys: [id, a, s, at]", "name: i\nkeys: [id, a, s]", known)
        finding = self._both(
            tmp_path, "TX212", "name: i\nkeys: [a]\ninclude: [a, id]", "name: i\nkeys: [a]\ninclude: [id]", known
        )
        assert finding.fix == "include: [id]\n"

    def test_redundant_to_what_exists(self, tmp_path: Path) -> None:
        definition = IndexDef(schema="public", table="item", name="old", keys=(Key(column="a"), Key(column="id")))
        known = knows([ITEM], indexes=[Index(definition=definition, ddl="")])
        finding = self._both(tmp_path, "TX212", "name: i\nkeys: [a]", "name: i\nkeys: [id]", known)
        assert "covered by old (in the database)" in finding.message

    def test_of_two_equal_specs_one_is_named(self, tmp_path: Path) -> None:
        document = linted(tmp_path, text_of("name: ix_b\nkeys: [a]", "name: ix_a\nkeys: [a]"), knows([ITEM]))
        assert found(document) == [("TX212", 4)]

    def test_matview_without_unique(self, tmp_path: Path) -> None:
        view = table("item", "id bigint, a int", rows=10).model_copy(update={"kind": "m", "definition": "SELECT 1"})
        self._both(tmp_path, "TX213", "name: i\nkeys: [a]", "name: i\nkeys: [id]\nunique: true", knows([view]))

    def test_builds_that_wait_for_each_other(self, tmp_path: Path) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(text_of("name: j\nkeys: [b]\nwhere: b IS NULL", table_name="public.other"))
        mine = tmp_path / "item.yaml"
        known = knows([ITEM, table("other", "b int")])
        for where, expected in (("\nwhere: a IS NULL", 2), ("", 0)):
            mine.write_text(text_of("name: i\nkeys: [a]" + where))
            document = lint(load_sources([mine, other]), today=TODAY, known=known)
            assert [code for code, _ in found(document)].count("TX214") == expected

    def test_brin_and_correlation(self, tmp_path: Path) -> None:
        known = knows(
            [ITEM],
            stats=[
                statistics("item", "a", correlation=0.2),
                statistics("item", "at", correlation=-0.99),
            ],
        )
        spec = "name: i\nmethod: brin\nkeys: [{}]"
        finding = self._both(tmp_path, "TX215", spec.format("a"), spec.format("at"), known)
        assert finding.fix == "# remove method\n"

    def test_unique_in_the_order_of_a_collation(self, tmp_path: Path) -> None:
        spec = "name: i\nunique: true\nkeys: [{column: s, collation: C}]"
        self._both(tmp_path, "TX216", "name: i\nunique: true\nkeys: [s]", spec, knows([ITEM]))

    def test_a_fix_that_no_spec_can_say_is_not_offered(self, tmp_path: Path) -> None:
        document = linted(tmp_path, text_of("name: i\nunique: constraint\nkeys: [s]"), known=knows([ITEM]))
        finding = only(document, "TX216")
        assert (finding.fix, finding.edits) == (None, ())
        assert (finding.rewrite or "").startswith('COLLATE "C" of the column when')


def _index(name: str, *keys: Key, **more: Any) -> IndexDef:
    return IndexDef(schema="s", table="t", name=name, keys=keys, **more)


A, B = Key(column="a"), Key(column="b")
DOWN_LAST = Key(column="a", descending=True, nulls="last")


@pytest.mark.parametrize(
    ("large", "small", "expected"),
    [
        (_index("l", A, B), _index("s", A), True),
        (_index("l", Key(column="c10")), _index("s", Key(column="c1")), False),
        (_index("l", A, Key(column="b", descending=True)), _index("s", A, B), False),
        (_index("l", Key(column="a", collation="C")), _index("s", A), False),
        (_index("l", Key(column="a", opclass="text_pattern_ops")), _index("s", A), False),
        (_index("l", Key(expression="lower(t)")), _index("s", Key(expression="lower(t)")), True),
        (_index("l", A, where="b"), _index("s", A, where="b"), True),
        (_index("l", A, method="hash"), _index("s", A), False),
        (_index("l", A, unique=True), _index("s", Key(column="a", descending=True)), True),
        (_index("l", A, B), _index("s", A, unique=True), False),
        (_index("l", A, where="b"), _index("s", A), False),
        (_index("l", A), _index("s", A, include=("b",)), False),
        (_index("l", A, B), _index("s", A, include=("b",)), True),
        (_index("l", B, A), _index("s", A), False),
        (_index("l", Key(column="a", nulls="first")), _index("s", A), False),
        (
            _index("l", Key(column="a", descending=True, nulls="last")),
            _index("s", Key(column="a", nulls="first")),
            True,
        ),
    ],
)
def test_covers(large: IndexDef, small: IndexDef, expected: bool) -> None:
    assert covers(large, small) == expected


def test_the_reference_specs_have_no_error_and_no_warning() -> None:
    document = lint(load_sources([ROOT / "index_specs"]), today=TODAY)
    assert [f"{f.file}:{f.line} {f.code} {f.message}" for f in document.findings if f.severity != "info"] == []


def test_the_pages_examples_hold(tmp_path: Path) -> None:
    """Where the text suffices, the first example of a page is found and the second is not."""
    seen = 0
    for code in LINT_RULES:
        blocks = [block.partition("```")[0] for block in page(code).split("```yaml\n")[1:]]
        if len(blocks) < 2 or not blocks[0].startswith("table:"):
            continue
        bad, good = linted(tmp_path, blocks[0]), linted(tmp_path, blocks[1])
        count = next(check for check in good.checks if check.code == code)
        assert code not in [c for c, _ in found(good)], code
        assert "TX100" not in [c for c, _ in found(good)], code
        if code in [c for c, _ in found(bad)]:
            seen += 1
        else:
            assert next(check for check in bad.checks if check.code == code).skipped, (code, count)
    assert seen >= 20
