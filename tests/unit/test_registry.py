"""One registry: whatever code or short name a command prints, `twindex explain` explains."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.checks.environment import examine_environment
from analyzer.checks.lint import lint
from analyzer.checks.registry import ABOUT_FILES, HEALTH_RULES, LINT_RULES, RULES, find_rule, page
from analyzer.cli.explain import command as explain
from analyzer.errors import InputError
from analyzer.migrate.hazards import HazardCode
from analyzer.render.sarif import render_sarif
from analyzer.specs.tolerant import load_sources

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "rules"
#: TX0.. are SQLSTATEs that a twin raises itself.
CODE = re.compile(r"\bTX[1-9]\d\d\b")
FORMER = {
    "expression-asks-a-setting": "TX102",
    "jsonb-opclass-unsaid": "TX202",
    "opclass-of-another": "TX111",
    "distance-not-asked": "TX208",
    "contradiction": "TX310",
    "comparison-off": "TX311",
}
SPECS = """
table: shop.item
indexes:
  - {name: ix_a, method: hash, keys: [a, b], unique: true}
  - {name: ix_b, keys: [{expression: now()}], where: d = 1}
  - {name: ix_c, keys: [a], wher: b}
"""


def _explained(name: str) -> str:
    shown = CliRunner().invoke(explain, [name])
    assert shown.exit_code == 0, (name, shown.output)
    return shown.output


def test_pages_and_rules_are_the_same_and_every_code_anywhere_is_one_of_them() -> None:
    assert {path.stem for path in PAGES.glob("TX*.md")} == set(RULES)
    files = [
        *(ROOT / "analyzer").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "sql_templates").rglob("*.jinja"),
    ]
    named = {code for file in files for code in CODE.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 60
    assert named <= set(RULES)


def test_the_list_prints_every_rule_and_explain_knows_whatever_it_prints() -> None:
    lines = CliRunner().invoke(explain, []).output.splitlines()
    assert [line.split()[0] for line in lines] == list(RULES) == sorted(RULES)
    for line in lines:
        code, severity, name, title = line.split(maxsplit=3)
        assert (severity, name, title) == (RULES[code].severity, RULES[code].name, RULES[code].title)
        assert _explained(code) == _explained(code.lower()) == _explained(name) == page(code)
        assert all(_explained(alias) == page(code) for alias in RULES[code].aliases)


def test_the_hazards_of_a_revision_are_explained_too() -> None:
    for code in HazardCode:
        assert code.summary in _explained(code.lower())


def test_a_page_has_the_code_the_name_the_severity_and_the_answers_of_its_rule() -> None:
    for code, rule in RULES.items():
        text = page(code)
        assert text.startswith(f"# {code} {rule.name}\n\n*{rule.severity}*"), code
        assert all(state in text for state in rule.sqlstates), code
        headings = ("## Why", "## Instead", "## squawk") if code in LINT_RULES else ("## Why", "## What to do")
        assert all(heading in text for heading in headings), code


def test_a_page_names_each_threshold_of_its_rule() -> None:
    for code, rule in HEALTH_RULES.items():
        for threshold in rule.thresholds:
            assert threshold.name.startswith(f"{rule.name}."), code
            assert f"`thresholds.{threshold.name}`: {threshold.meaning}" in " ".join(page(code).split()), code


def test_the_index_of_the_pages_lists_every_rule() -> None:
    rows = [line for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    assert rows == [
        f"| [{code}]({rule.page}) | {rule.severity} | `{rule.name}` | {rule.title} |" for code, rule in RULES.items()
    ]


def test_no_two_rules_share_a_name_and_a_former_name_is_nobodys() -> None:
    names = [name for rule in RULES.values() for name in (rule.name, *rule.aliases)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*", name) for name in names)
    assert {name: rule.code for name in FORMER if (rule := find_rule(name)) is not None} == FORMER


def test_titles_are_short_phrases() -> None:
    for rule in RULES.values():
        assert 10 <= len(rule.title) <= 100, rule.title
        assert not rule.title.startswith(("a ", "an ", "the ", "what ", "who ")), rule.title
        assert rule.title[-1] not in ".:;", rule.title


def test_what_findings_and_their_formats_name_is_explained(tmp_path: Path) -> None:
    (tmp_path / "item.yaml").write_text(SPECS, encoding="utf-8")
    (tmp_path / "env.py").write_text("context.configure(connection=engine.begin())\n", encoding="utf-8")
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = {tmp_path}\n", encoding="utf-8")
    document = lint(load_sources([tmp_path / "item.yaml"]), today=dt.date(2026, 1, 1))
    environment = examine_environment(tmp_path / "alembic.ini")
    assert {"TX100", "TX106", "TX109"} <= {finding.code for finding in document.findings}
    assert "TX311" in {finding.code for finding in environment.findings}
    for finding in (*document.findings, *environment.findings):
        assert _explained(finding.rule) == _explained(finding.code)
    for check in (*document.checks, *environment.checks):
        assert check.title == RULES[check.code].title
        assert _explained(check.code)
    driver = json.loads(render_sarif(document, {}))["runs"][0]["tool"]["driver"]
    assert {rule["id"] for rule in driver["rules"]} == set(LINT_RULES)
    levels = {"error": "error", "warning": "warning", "info": "note"}
    assert all(r["defaultConfiguration"]["level"] == levels[RULES[r["id"]].severity] for r in driver["rules"])


@pytest.mark.parametrize("name", ["TX999", "nothing", "../../README", "TX", "README", ""])
def test_what_is_no_rule_is_said_so(name: str) -> None:
    with pytest.raises(InputError, match="there is no rule"):
        page(name)


def test_what_is_about_files_is_a_rule_of_lint() -> None:
    assert set(LINT_RULES) > ABOUT_FILES
