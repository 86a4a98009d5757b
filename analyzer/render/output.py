"""Write documents in the format that is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from analyzer.atomic_file import replace_file
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.schema import Document
from analyzer.documents.whatif import WhatifDocument
from analyzer.errors import InputError
from analyzer.render.html import render_html
from analyzer.render.markdown import render_markdown
from analyzer.render.provenance import as_report
from analyzer.render.query_text import QueryText, with_query_text
from analyzer.render.text import render_text
from analyzer.visible import visible_json

Format = Literal["text", "markdown", "html", "json"]

_SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
}


def render(
    document: Document,
    output_format: Format,
    *,
    query_text: QueryText = "full",
    width: int = 120,
    colour: bool = False,
) -> str:
    """Render a document, showing its statements as far as `query_text` says.

    Raises InputError for a format the document has not.
    """
    shown = with_query_text(document, query_text)
    if output_format == "json":
        return render_json(shown)
    if output_format == "text":
        return render_text(shown, width=width, colour=colour)
    if output_format == "markdown":
        return render_markdown(shown)
    if isinstance(shown, WhatifDocument):
        raise InputError("whatif has no html format; use text, markdown or json")
    return render_html(as_report(shown) if isinstance(shown, ProposeDocument) else shown)


def render_json(document: Document) -> str:
    """Render a document as JSON, as its schema describes it."""
    return visible_json(document.model_dump_json(indent=2)) + "\n"


def write(
    document: Document,
    outputs: Sequence[Path],
    output_format: Format | None = None,
    *,
    query_text: QueryText = "full",
) -> None:
    """Write a document to files, each whole or not at all; without a format the suffix picks it.

    Raises InputError for a suffix that names no format and for a file that cannot be written, and before any is.
    """
    write_texts([(path, render(document, output_format or format_of(path), query_text=query_text)) for path in outputs])


def write_texts(texts: Sequence[tuple[Path, str]]) -> None:
    """Write texts to files, each whole or not at all and its owner's alone, for they hold values.

    Raises InputError for a file that cannot be written.
    """
    for path, text in texts:
        replace_file(path, text)


def format_of(path: Path) -> Format:
    """Pick the format by the suffix of a file."""
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InputError(f"{path}: its suffix names no format; use {', '.join(_SUFFIXES)} or --format") from None
