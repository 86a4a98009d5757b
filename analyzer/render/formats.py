"""The formats: name, suffixes, how a document is rendered in it, and which documents have it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from analyzer.checks.registry import pages
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.report import Report
from analyzer.documents.schema import Answer, AnyDocument, Document
from analyzer.errors import InputError
from analyzer.render.findings_text import render_findings_text
from analyzer.render.github import render_github
from analyzer.render.html import render_html
from analyzer.render.markdown import render_markdown
from analyzer.render.provenance import as_report
from analyzer.render.sarif import render_sarif
from analyzer.render.text import render_text
from analyzer.visible import visible_json

Format = Literal["text", "markdown", "json", "html", "sarif", "github"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a document is rendered for; only text depends on it."""

    width: int = 120
    colour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """One format."""

    #: Of files in it, the usual one first; none where it is for stdout alone.
    suffixes: tuple[str, ...]
    #: Takes a document that is among `documents`.
    render: Callable[[Any, Page], str]
    documents: tuple[type[AnyDocument], ...]


def _text(document: AnyDocument, page: Page) -> str:
    if isinstance(document, FindingsDocument):
        return render_findings_text(document, width=page.width, colour=page.colour)
    return render_text(document, width=page.width, colour=page.colour)


def _markdown(document: Answer, _: Page) -> str:
    return render_markdown(document)


def _json(document: AnyDocument, _: Page) -> str:
    return visible_json(document.model_dump_json(indent=2)) + "\n"


def _html(document: ProposeDocument | Report, _: Page) -> str:
    return render_html(as_report(document) if isinstance(document, ProposeDocument) else document)


def _sarif(document: FindingsDocument, _: Page) -> str:
    return render_sarif(document, pages(check.code for check in document.checks))


def _github(document: FindingsDocument, _: Page) -> str:
    return render_github(document)


_DOCUMENTS: tuple[type[AnyDocument], ...] = get_args(Document)

#: Every format there is; what `-o`, `--format`, its help and its completion offer is read off this table.
FORMATS: Mapping[Format, Rendering] = {
    "text": Rendering(suffixes=(".txt",), render=_text, documents=(*_DOCUMENTS, FindingsDocument)),
    "markdown": Rendering(suffixes=(".md", ".markdown"), render=_markdown, documents=get_args(Answer)),
    "json": Rendering(suffixes=(".json",), render=_json, documents=(*_DOCUMENTS, FindingsDocument)),
    "html": Rendering(suffixes=(".html", ".htm"), render=_html, documents=(ProposeDocument, Report)),
    "sarif": Rendering(suffixes=(".sarif",), render=_sarif, documents=(FindingsDocument,)),
    "github": Rendering(suffixes=(), render=_github, documents=(FindingsDocument,)),
}


def formats_of(document: type[AnyDocument]) -> tuple[Format, ...]:
    """Name the formats that a kind of document has."""
    return tuple(name for name, row in FORMATS.items() if document in row.documents)


def suffixes_of(document: type[AnyDocument]) -> tuple[str, ...]:
    """Name the suffixes that pick a format of a kind of document."""
    return tuple(suffix for name in formats_of(document) for suffix in FORMATS[name].suffixes)


def format_of(path: Path, document: type[AnyDocument]) -> Format:
    """Pick the format by the suffix of a file; raises InputError for one that the document does not have."""
    suffix = path.suffix.lower()
    found: Format | None = next((name for name, row in FORMATS.items() if suffix in row.suffixes), None)
    if found is None:
        raise InputError(f"{path}: unknown suffix; use {alternatives(suffixes_of(document))}, or --format")
    if document not in FORMATS[found].documents:
        raise unsupported(f"{path}: {found}", document)
    return found


def unsupported(what: str, document: type[AnyDocument]) -> InputError:
    """Say that a command's document does not have a format, and which it has."""
    return InputError(f"{what} is not supported by this command; use {alternatives(formats_of(document))}")


def alternatives(names: Sequence[str]) -> str:
    """Write names as a choice: text, markdown or json."""
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
