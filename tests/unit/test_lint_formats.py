"""The formats of findings: SARIF by the official schema, GitHub's escapes, JSON by the committed schema, text."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzer.checks.lint import lint
from analyzer.checks.registry import RULES, pages
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.documents.schema import render_schemas
from analyzer.render.findings_text import render_findings_text
from analyzer.render.github import render_github
from analyzer.render.sarif import render_sarif
from analyzer.specs.tolerant import load_sources

ROOT = Path(__file__).parents[2]
SARIF_SCHEMA = Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json"
SPECS = """\
table: shop.item
indexes:
  - name: ix_a
    method: hash
    keys: [a, b]
    unique: true
  # twindex: ignore TX108 reason: kept, for the test until: 2027-01-31
  - name: ix_b
    method: brin
    keys: [{column: c, order: desc}]
    where: d = 1
"""


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FindingsDocument:
    """Findings of every severity, one of them suppressed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my specs").mkdir()
    path = Path("my specs") / "shop.item.yaml"
    path.write_text(SPECS, encoding="utf-8")
    return lint(load_sources([path]), today=dt.date(2026, 1, 1))


def test_sarif_is_valid_and_points_at_files(document: FindingsDocument) -> None:
    log: dict[str, Any] = json.loads(render_sarif(document, pages(RULES)))
    schema: dict[str, Any] = json.loads(SARIF_SCHEMA.read_text(encoding="utf-8"))
    checker = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [error.message for error in checker.iter_errors(log)] == []  # pyright: ignore[reportUnknownMemberType] - partly typed
    (run,) = log["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["TX109", "TX106", "TX211", "TX108"]
    first = run["results"][0]
    location = first["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "my%20specs/shop.item.yaml"
    assert location["region"]["startLine"] == 5
    assert list(first["partialFingerprints"]) == ["twindex/v1"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["helpUri"] and rule["help"]["markdown"].startswith(f"# {rule['id']}") for rule in rules)
    assert run["results"][-1]["suppressions"] == [
        {"kind": "inSource", "justification": "kept, for the test (until 2027-01-31)"}
    ]
    (fix,) = run["results"][1]["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"] == location["artifactLocation"]
    (replacement,) = change["replacements"]
    assert replacement["deletedRegion"] == {"startLine": 6, "startColumn": 1, "endLine": 7, "endColumn": 1}
    assert replacement["insertedContent"] == {"text": ""}
    assert all("suppressions" not in result for result in run["results"][:-1])
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(note.startswith("TX113 was not examined for 2 of 2") for note in notes)


def test_the_schema_would_have_noticed(document: FindingsDocument) -> None:
    log: dict[str, Any] = json.loads(render_sarif(document, {}))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    schema: dict[str, Any] = json.loads(SARIF_SCHEMA.read_text(encoding="utf-8"))
    assert not jsonschema.Draft4Validator(schema).is_valid(log)  # pyright: ignore[reportUnknownMemberType] - partly typed


def test_github_annotations_escape(document: FindingsDocument) -> None:
    lines = render_github(document).splitlines()
    where = "file=my specs/shop.item.yaml,line=6,title=TX106 shop.ix_a"
    assert lines[1].startswith(f"::error {where}::hash does not support unique indexes; only btree can%0AInstead: ")
    assert lines[2].startswith("::notice ")
    assert lines[-1].startswith("2 specs, 3 findings, 1 suppressed;")
    odd = SpecFinding(
        code="TX1", severity="warning", object='"a,b:c"', message="100% :: sure,\r\nno", file="a.yaml", line=1,
        rule="x", fingerprint="f",
    )  # fmt: skip
    text = render_github(FindingsDocument(command="lint", basis="x", objects=1, findings=(odd,)))
    expected = '::warning file=a.yaml,line=1,title=TX1 "a%2Cb%3Ac"::100%25 :: sure,%0D%0Ano'
    assert text.splitlines()[0] == expected


def test_json_is_as_its_schema_says(document: FindingsDocument) -> None:
    schema: dict[str, Any] = json.loads((ROOT / "docs" / "schemas" / "lint.json").read_text(encoding="utf-8"))
    assert render_schemas()["lint.json"] == (ROOT / "docs" / "schemas" / "lint.json").read_text(encoding="utf-8")
    value = json.loads(document.model_dump_json())
    jsonschema.Draft202012Validator(schema).validate(value)  # pyright: ignore[reportUnknownMemberType] - partly typed
    assert {(f["code"], f["severity"], f["object"], f["line"]) for f in value["findings"]} == {
        ("TX106", "error", "shop.ix_a", 6),
        ("TX109", "error", "shop.ix_a", 5),
        ("TX211", "info", "shop.ix_b", 11),
    }
    assert [f["suppression"]["line"] for f in value["suppressed"]] == [7]


def test_text_says_what_was_not_examined(document: FindingsDocument) -> None:
    text = render_findings_text(document)
    assert "my specs/shop.item.yaml:6: error TX106 shop.ix_a: hash does not support unique indexes" in text
    assert "    fix: # remove unique" in text
    assert "my specs/shop.item.yaml:10: suppressed TX108: kept, for the test" in text
    assert "2 specs by the text of the specs alone: 2 errors, 0 warnings, 1 info, 1 suppressed" in text
    assert "not examined: " in text
    assert "\x1b" not in text
    assert "\x1b" in render_findings_text(document, colour=True)
