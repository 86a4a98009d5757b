"""What lint finds in specs of extended statistics, by the text alone and with a captured table."""

import datetime as dt
from pathlib import Path

import pytest

from analyzer.catalog import Catalog
from analyzer.checks.lint import lint
from analyzer.checks.registry import RULES
from analyzer.checks.rule import Known
from analyzer.checks.spec.context import known_of
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.measured import ExtendedStatistics
from analyzer.specs.tolerant import load_sources
from tests.unit.catalogs import snapshot, table

TODAY = dt.date(2026, 1, 1)
ITEM = table("item", "a integer, b integer, s text, j json, d date")


def linted(directory: Path, *entries: str, known: Known | None = None, head: str = "") -> FindingsDocument:
    path = directory / "item.yaml"
    body = "".join(f"  - {entry}\n" for entry in entries)
    path.write_text(f"table: public.item\n{head}statistics:\n{body}", encoding="utf-8")
    return lint(load_sources([path]), today=TODAY, known=known)


def found(document: FindingsDocument) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in document.findings]


def knows(*existing: ExtendedStatistics) -> Known:
    captured = snapshot(ITEM).model_copy(update={"extended_statistics": existing})
    return known_of(Catalog(captured))


def replace_schemas(known: Known, *schemas: str) -> Known:
    return known_of(Catalog(known.catalog.snapshot.model_copy(update={"schemas": schemas})))


def exists(name: str, definition: str, columns: tuple[str, ...], relation: str = "item") -> ExtendedStatistics:
    return ExtendedStatistics(
        schema_name="public", name=name, table_schema="public", table=relation, definition=definition, columns=columns
    )


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{name: st, columns: [a]}", "TX130"),
        ("{name: st}", "TX130"),
        ("{name: st, columns: [a, b, a]}", "TX130"),
        ("{name: st, columns: [a, b, c, d, e, f, g, h], expressions: [lower(s)]}", "TX130"),
        ("{name: st, columns: [a, ctid]}", "TX131"),
        ("{name: st, kinds: [mcv], expressions: [lower(s)]}", "TX133"),
        ("{name: st, kinds: [histogram], columns: [a, b]}", "TX133"),
        ("{name: public.st, columns: [a, b]}", "TX135"),
        (f"{{name: {'x' * 64}, columns: [a, b]}}", "TX135"),
        ("{name: st, columns: [a], expressions: [d - current_date]}", "TX218"),
        ("{name: st, columns: [a, b], target: 10001}", "TX100"),
        ("{name: st, keys: [a, b]}", "TX100"),
    ],
)
def test_the_text_alone_shows_it(tmp_path: Path, entry: str, code: str) -> None:
    assert (code, 3) in found(linted(tmp_path, entry))


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{name: st, columns: [a, missing]}", "TX131"),
        ("{name: st, columns: [a, j]}", "TX132"),
        ("{name: st_other, columns: [a, b]}", "TX135"),
        ("{name: st, columns: [a, b], kinds: [mcv]}", "TX217"),
    ],
)
def test_a_captured_table_shows_it(tmp_path: Path, entry: str, code: str) -> None:
    known = knows(
        exists("st_there", "CREATE STATISTICS public.st_there ON a, b, s FROM public.item", ("a", "b", "s")),
        exists("st_other", "CREATE STATISTICS public.st_other ON x, y FROM public.other", ("x", "y"), "other"),
    )
    assert code not in [each for each, _ in found(linted(tmp_path, entry))]
    assert (code, 3) in found(linted(tmp_path, entry, known=known))


@pytest.mark.parametrize("name", ["shop.st", "st.2026", ".st", "st.", "public.there"])
def test_a_name_may_contain_a_dot_unless_a_schema_is_before_it(tmp_path: Path, name: str) -> None:
    there = exists("public.there", 'CREATE STATISTICS public."public.there" ON x, y FROM public.item', ("x", "y"))
    known = knows(there)
    assert found(linted(tmp_path, f"{{name: {name}, columns: [a, b]}}", known=known)) == []
    schemas = replace_schemas(known, "public", "shop")
    qualified = found(linted(tmp_path, f"{{name: {name}, columns: [a, b]}}", known=schemas))
    assert qualified == ([("TX135", 3)] if name == "shop.st" else [])


def test_good_ones_pass_and_every_rule_accounts_for_each(tmp_path: Path) -> None:
    document = linted(
        tmp_path,
        "{name: st_a, columns: [a, b], kinds: [mcv, ndistinct], target: 0}",
        "{name: st_b, expressions: [a + b]}",
        "{name: st_c, columns: [s], expressions: [lower(s)]}",
        "{name: st_d, columns: [a, b], state: proposed, kinds: [dependencies]}",
        "{name: st_e, columns: [a], state: retired}",
        "{name: st_f, columns: 7}",
        known=knows(),
    )
    assert found(document) == [("TX100", 8)]
    for check in document.checks:
        if RULES[check.code].kind == "statistics":
            assert check.examined + check.skipped == 6, check
            assert check.skipped >= 2
        elif check.code not in {"TX100", "TX126", "TX190", "TX290", "TX291"}:
            assert (check.examined, check.skipped) == (0, 0), check
    assert document.objects == 6


def test_of_two_that_cover_each_other_the_later_is_named(tmp_path: Path) -> None:
    document = linted(tmp_path, "{name: st_a, columns: [a, b]}", "{name: st_b, columns: [b, a]}", known=knows())
    assert found(document) == [("TX217", 4)]


def test_statistics_and_an_index_may_have_one_name_and_two_statistics_may_not(tmp_path: Path) -> None:
    index = "indexes:\n  - {name: st, keys: [a]}\n"
    assert found(linted(tmp_path, "{name: st, columns: [a, b]}", head=index)) == []
    twice = linted(tmp_path, "{name: st, columns: [a, b]}", "{name: st, columns: [a, s]}")
    assert found(twice) == [("TX126", 4)]


def test_a_finding_is_suppressed_and_a_name_with_a_schema_is_fixed(tmp_path: Path) -> None:
    ignored = "{name: st, columns: [a]}  # twindex: ignore TX130 reason: a trial"
    document = linted(tmp_path, ignored)
    assert found(document) == []
    assert [each.code for each in document.suppressed] == ["TX130"]
    (finding,) = linted(tmp_path, "{name: public.st, columns: [a, b]}").findings
    assert finding.fix == "name: st\n"
    (edit,) = finding.edits
    assert (edit.line, edit.text) == (3, "name: st")


def test_what_does_not_stay_or_is_not_filled_covers_nothing(tmp_path: Path) -> None:
    entry = "{name: st, columns: [a, b], kinds: [mcv]}"
    known = knows(exists("st_there", "CREATE STATISTICS public.st_there ON a, b, s FROM public.item", ("a", "b", "s")))
    assert ("TX217", 3) in found(linted(tmp_path, entry, known=known))
    retired = "{name: st_there, columns: [a, b, s], state: retired}"
    assert ("TX217", 3) not in found(linted(tmp_path, entry, retired, known=known))
    assert ("TX217", 4) not in found(linted(tmp_path, entry, known=known, head="manage: all\n"))
    renamed = "{name: st_new, columns: [a, b, s]}"
    assert ("TX217", 3) not in found(linted(tmp_path, renamed, known=known))
    new = exists("st_new", "CREATE STATISTICS public.st_new ON a, b, s FROM public.item", ("a", "b", "s"))
    there = exists("st_there", "CREATE STATISTICS public.st_there ON a, b, s FROM public.item", ("a", "b", "s"))
    assert ("TX217", 3) in found(linted(tmp_path, renamed, known=knows(new, there)))
    empty = "{name: st_empty, columns: [a, b, s], target: 0}"
    assert ("TX217", 3) not in found(linted(tmp_path, entry, empty))
    assert ("TX217", 3) in found(linted(tmp_path, entry, empty.replace("0}", "500}")))


def test_a_name_with_a_nul_is_an_invalid_spec_and_costs_no_other(tmp_path: Path) -> None:
    document = linted(tmp_path, '{name: "a\\0b", columns: [a, b]}', "{name: st, columns: [a]}")
    assert [code for code, _ in found(document)] == ["TX100", "TX130"]
