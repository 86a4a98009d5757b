"""Write documents in the format that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from analyzer.atomic_file import replace_file
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.schema import AnyDocument
from analyzer.render.formats import FORMATS, Format, Page, format_of, unsupported
from analyzer.render.query_text import QueryText, with_query_text


def render(
    document: AnyDocument,
    output_format: Format,
    *,
    query_text: QueryText = "full",
    width: int = 120,
    colour: bool = False,
) -> str:
    """Render a document, showing its statements as far as `query_text` says.

    Raises InputError for a format the document does not have.
    """
    row = FORMATS[output_format]
    if not isinstance(document, row.documents):
        raise unsupported(f"--format {output_format}", type(document))
    shown = document if isinstance(document, FindingsDocument) else with_query_text(document, query_text)
    return row.render(shown, Page(width=width, colour=colour))


def write(
    document: AnyDocument,
    outputs: Sequence[Path],
    output_format: Format | None = None,
    *,
    query_text: QueryText = "full",
) -> None:
    """Write a document to files, each whole or not at all; without a format the suffix picks it.

    The files are their owner's alone, for they hold values. Raises InputError for a suffix that names no format and for
    a file that cannot be written, and before any is.
    """
    texts = [
        (path, render(document, output_format or format_of(path, type(document)), query_text=query_text))
        for path in outputs
    ]
    for path, text in texts:
        replace_file(path, text)
