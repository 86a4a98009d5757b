"""Write findings in the formats shared by `lint` and `check`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from analyzer.checks.registry import pages
from analyzer.console import put
from analyzer.documents.findings import FindingsDocument
from analyzer.errors import InputError
from analyzer.render.findings_text import render_findings_text
from analyzer.render.github import render_github
from analyzer.render.output import write_texts
from analyzer.render.sarif import render_sarif
from analyzer.terminal import of_stdout
from analyzer.visible import visible_json

F = TypeVar("F", bound=Callable[..., Any])
Format = Literal["text", "json", "sarif", "github"]
_SUFFIXES: Mapping[str, Format] = {".txt": "text", ".json": "json", ".sarif": "sarif"}


def findings_options(function: F) -> F:
    """Add `--format` and `-o`."""
    formats = click.Choice(["text", "json", "sarif", "github"])
    function = click.option("--format", "output_format", type=formats, help="Output format.")(function)
    return click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write to this file instead of stdout; the suffix (.txt, .json, .sarif) selects the format; repeatable.",
    )(function)


def _format_of(path: Path) -> Format:
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InputError(f"{path}: unknown suffix; use {', '.join(_SUFFIXES)} or --format") from None


def render_findings(document: FindingsDocument, output_format: Format, *, width: int, colour: bool) -> str:
    """Render findings in one of the formats."""
    if output_format == "json":
        return visible_json(document.model_dump_json(indent=2)) + "\n"
    if output_format == "sarif":
        return render_sarif(document, pages(check.code for check in document.checks))
    if output_format == "github":
        return render_github(document)
    return render_findings_text(document, width=width, colour=colour)


def emit_findings(document: FindingsDocument, outputs: Sequence[Path], output_format: Format | None) -> None:
    """Write findings to files, each in the format of its suffix, or to stdout without any."""
    if outputs:
        formats: list[tuple[Path, Format]] = [(path, output_format or _format_of(path)) for path in outputs]
        write_texts([(path, render_findings(document, form, width=120, colour=False)) for path, form in formats])
        return
    console = of_stdout()
    colour = console.is_terminal and not console.no_color
    text = render_findings(
        document,
        output_format or "text",
        width=min(console.width, 160) if console.is_terminal else 120,
        colour=colour,
    )
    put(text, colour=colour, commands=output_format == "github")
