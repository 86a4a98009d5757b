"""Findings as the annotations that a GitHub workflow makes of its log."""

from analyzer.amounts import plural
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.render.sarif import relative
from analyzer.visible import visible

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render_github(document: FindingsDocument) -> str:
    """Render one workflow command per open finding, then one line that says what was looked at."""
    lines = [_annotation(finding) for finding in document.findings]
    skipped = sum(check.skipped > 0 for check in document.checks)
    looked_at = plural(document.objects, "object" if document.command == "check --health" else "spec")
    summary = f"{looked_at}, {len(document.findings)} findings, {len(document.suppressed)} suppressed; "
    return "".join(f"{line}\n" for line in (*lines, f"{summary}{skipped} rules not examined everywhere"))


def _annotation(finding: SpecFinding) -> str:
    text = finding.message if finding.rewrite is None else f"{finding.message}\nInstead: {finding.rewrite}"
    properties = {
        "file": relative(finding.file).as_posix() if finding.file else None,
        "line": None if finding.line is None else str(finding.line),
        "title": f"{finding.code} {finding.object}",
    }
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value is not None)
    return f"::{_COMMANDS[finding.severity]} {shown}::{_data(text)}"


def _data(text: str) -> str:
    """Encode what would end the command, and show what would steer the terminal of whoever reads the log."""
    encoded = text.replace("%", "%25")
    return "%0A".join("%0D".join(visible(part) for part in line.split("\r")) for line in encoded.split("\n"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
