"""The pages of the commands: one for each, naming each of its options."""

import importlib
import re
from pathlib import Path

import click
import pytest

from analyzer.cli import COMMANDS

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
