"""The pages of the commands: one for each, naming each of its options."""

import datetime as dt
import importlib
import re
from pathlib import Path

import click
import pytest

from analyzer.checks.lint import lint
from analyzer.cli import COMMANDS
from analyzer.specs.file import load_specs
from analyzer.specs.statistics import StatisticsSpec
from analyzer.specs.tolerant import load_sources

DOCS = Path(__file__).parents[2] / "docs"
PAGES = Path(__file__).parents[2] / "docs" / "commands"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_page_that_names_its_options(name: str) -> None:
    command: click.Command = importlib.import_module(COMMANDS[name]).command
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert not [option.name for option in options if not any(f"`{each}" in text for each in option.opts)]
    assert "## Exit status" in text


def test_there_is_no_page_of_a_command_that_is_gone() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*COMMANDS, "README"}


def test_the_list_of_commands_says_what_their_help_says() -> None:
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[`twindex (\w+)`\]\((\w+)\.md\) \| (.+) \|$", text, re.MULTILINE)
    helps = {name: importlib.import_module(module).command.short_help for name, module in COMMANDS.items()}
    assert rows == [(name, name, said) for name, said in helps.items()]


def test_the_examples_of_spec_files_load(tmp_path: Path) -> None:
    examples = [block.partition("```")[0] for block in (DOCS / "specs.md").read_text().split("```yaml\n")[1:]]
    for number, example in enumerate(examples):
        (tmp_path / f"{number}.yaml").write_text(example, encoding="utf-8")
    assert [spec.kind for spec in load_specs(tmp_path).specs] == ["index", "index", "statistics", "index"]
    assert lint(load_sources([tmp_path]), today=dt.date(2026, 1, 1)).findings == ()


def test_the_page_of_spec_files_names_every_key() -> None:
    text = (DOCS / "specs.md").read_text(encoding="utf-8")
    assert [name for name in StatisticsSpec.model_fields if f"`{name}`" not in text] == []
