"""One table of formats: commands offer what it has, refuse the rest, and their pages say the same."""

import re
from pathlib import Path
from typing import get_args

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from analyzer.cli import COMMANDS, cli
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.report import Report
from analyzer.documents.schema import AnyDocument
from analyzer.documents.statements import StatementsDocument
from analyzer.documents.whatif import WhatifDocument
from analyzer.errors import InputError
from analyzer.render.formats import FORMATS, Format, alternatives, format_of, formats_of, suffixes_of
from analyzer.render.output import render
from tests.unit.sample_report import propose_document, sample, whatif_document

#: As a table of Markdown has it.
BAR = r"\|"
PAGES = Path(__file__).parents[2] / "docs" / "commands"
GIVES: dict[str, type[AnyDocument]] = {
    "propose": ProposeDocument,
    "statements": StatementsDocument,
    "whatif": WhatifDocument,
    "report": Report,
    "verify": Report,
    "lint": FindingsDocument,
    "check": FindingsDocument,
}
SAMPLES: tuple[AnyDocument, ...] = (
    propose_document(),
    whatif_document(),
    StatementsDocument(provenance=whatif_document().provenance, statements=()),
    sample(),
    FindingsDocument(command="lint", basis="nothing", objects=0),
)


def _option(command: str, name: str) -> click.Option | None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return next((p for p in found.params if isinstance(p, click.Option) and name in p.opts), None)


def test_the_table_names_every_format_once_and_no_suffix_twice() -> None:
    assert set(FORMATS) == set(get_args(Format))
    suffixes = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert {document for row in FORMATS.values() for document in row.documents} == set(get_args(AnyDocument))


def test_the_commands_with_a_format_are_the_ones_listed_here() -> None:
    assert {command for command in COMMANDS if _option(command, "--format")} == set(GIVES)


@pytest.mark.parametrize("command", GIVES)
def test_help_completion_and_page_offer_what_the_command_has_and_nothing_else(command: str) -> None:
    formats = formats_of(GIVES[command])
    shown = CliRunner().invoke(cli, [command, "--help"]).output
    assert re.findall(r"--format\s+\[([a-z|]+)\]", shown) == ["|".join(formats)]
    completion = ShellComplete(cli, {}, "twindex", "_TWINDEX_COMPLETE")
    assert [item.value for item in completion.get_completions([command, "--format"], "")] == list(formats)
    page = (PAGES / f"{command}.md").read_text(encoding="utf-8")
    assert f"| `--format {BAR.join(formats)}` |" in page
    usual = [FORMATS[name].suffixes[0] for name in formats if FORMATS[name].suffixes]
    assert f"the suffix ({' '.join(f'`{suffix}`' for suffix in usual)}) selects the format" in page
    assert f"the suffix ({', '.join(usual)}) selects the format" in " ".join(shown.split())


@pytest.mark.parametrize("document", SAMPLES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("name", FORMATS)
def test_a_document_is_rendered_in_its_formats_and_refused_in_the_others(document: AnyDocument, name: Format) -> None:
    if name in formats_of(type(document)):
        assert render(document, name).strip()
        return
    with pytest.raises(
        InputError, match=rf"^--format {name} is not supported by this command; use text(, .*)? or \w+$"
    ):
        render(document, name)


@pytest.mark.parametrize("document", get_args(AnyDocument))
def test_a_suffix_picks_its_format_or_the_refusal_names_those_that_would(document: type[AnyDocument]) -> None:
    for name in formats_of(document):
        for suffix in FORMATS[name].suffixes:
            assert format_of(Path(f"x{suffix.upper()}"), document) == name
    with pytest.raises(InputError, match="unknown suffix") as refused:
        format_of(Path("x.docx"), document)
    assert all(suffix in str(refused.value) for suffix in suffixes_of(document))
    others = {suffix for row in FORMATS.values() for suffix in row.suffixes} - set(suffixes_of(document))
    assert others
    for suffix in others:
        assert suffix not in str(refused.value)
        with pytest.raises(InputError, match="is not supported by this command"):
            format_of(Path(f"x{suffix}"), document)


def test_a_choice_is_written_as_one() -> None:
    assert [alternatives(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "", "a", "a or b", "a, b or c",
    ]  # fmt: skip
