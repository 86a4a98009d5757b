"""Findings as SARIF 2.1.0, as code scanning takes it: every result has a file and a line."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analyzer import __version__
from analyzer.checks.registry import RULES
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.visible import visible_json

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
#: A key of our own: with the reserved one, code scanning would compute it from the lines.
_FINGERPRINT = "twindex/v1"


def render_sarif(document: FindingsDocument, pages: Mapping[str, str]) -> str:
    """Render findings as one SARIF run; `pages` are the rules' pages in Markdown, by code."""
    results = (*document.findings, *document.suppressed)
    codes = sorted(check.code for check in document.checks)
    rules = [_rule(document, code, pages.get(code)) for code in codes]
    run = {
        "tool": {"driver": {"name": "twindex", "semanticVersion": __version__, "rules": rules}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_notes(document))}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes) for finding in results],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return visible_json(json.dumps(log, indent=2, ensure_ascii=False)) + "\n"


def rule_uri(code: str) -> str:
    """Name the page of a rule, which ships with twindex: `twindex explain CODE` prints it."""
    return f"urn:twindex:rule:{code}"


def _rule(document: FindingsDocument, code: str, page: str | None) -> dict[str, Any]:
    title = next(check.title for check in document.checks if check.code == code)
    text = f"{title}. See `twindex explain {code}` for reason and remedy."
    return {
        "id": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "helpUri": rule_uri(code),
        "help": {"text": page or text, "markdown": page or text},
        "defaultConfiguration": {"level": _LEVELS[RULES[code].severity]},
    }


def _result(finding: SpecFinding, codes: list[str]) -> dict[str, Any]:
    text = finding.message if finding.rewrite is None else f"{finding.message}. Instead: {finding.rewrite}"
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.object}: {text}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.file or "")},
                    "region": {"startLine": finding.line or 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.object, "kind": "object"}],
            }
        ],
        "partialFingerprints": {_FINGERPRINT: finding.fingerprint},
    }
    if finding.edits:
        result["fixes"] = [_fix(finding)]
    if finding.suppression is not None:
        suppression = finding.suppression
        until = f" (until {suppression.until})" if suppression.until is not None else ""
        kind = "external" if suppression.line is None else "inSource"
        result["suppressions"] = [{"kind": kind, "justification": suppression.reason + until}]
    return result


def _fix(finding: SpecFinding) -> dict[str, Any]:
    replacements = [
        {
            "deletedRegion": {
                "startLine": edit.line, "startColumn": edit.column,
                "endLine": edit.end_line, "endColumn": edit.end_column,
            },
            "insertedContent": {"text": edit.text},
        }
        for edit in finding.edits
    ]  # fmt: skip
    return {
        "description": {"text": finding.rewrite or "Write what is safe"},
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(finding.file or "")}, "replacements": replacements},
        ],
    }


def relative(file: str) -> Path:
    """Return a file relative to the working directory, where it lies below it."""
    path = Path(file)
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def _uri(file: str) -> str:
    path = relative(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), safe="/")


def _notes(document: FindingsDocument) -> Iterator[dict[str, Any]]:
    """Say what was not examined: its absence from the results is no clean bill."""
    for check in document.checks:
        if check.skipped:
            text = f"{check.code} was not examined for {check.skipped} of {document.objects}: "
            text += "; ".join(check.skipped_because)
            yield {"level": "note", "message": {"text": text}, "associatedRule": {"id": check.code}}
    for gap in document.not_examined:
        yield {"level": "note", "message": {"text": f"{gap.what} was not examined: {gap.reason}"}}
