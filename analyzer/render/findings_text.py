"""Findings as text for a terminal."""

from collections import defaultdict

from rich.console import Console
from rich.text import Text

from analyzer.amounts import plural
from analyzer.documents.findings import FindingsDocument, Severity, SpecFinding
from analyzer.terminal import page
from analyzer.visible import visible, visible_block

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}


def render_findings_text(document: FindingsDocument, *, width: int = 120, colour: bool = False) -> str:
    """Render findings, what was suppressed, and what was not examined."""
    console = page(width=width, colour=colour)
    with console.capture() as capture:
        for finding in document.findings:
            _print_finding(console, finding)
        for finding in document.suppressed:
            reason = finding.suppression.reason if finding.suppression is not None else ""
            where = finding.object if finding.file is None else f"{finding.file}:{finding.line}"
            text = visible(f"{where}: suppressed {finding.code}: {reason}")
            console.print(Text(text, style="dim"))
        console.print(Text(_summary(document), style="bold"), soft_wrap=True)
        _print_gaps(console, document)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _print_finding(console: Console, finding: SpecFinding) -> None:
    where = visible(f"{finding.file}:{finding.line}: ") if finding.file is not None else ""
    line = Text(where)
    line.append(f"{finding.severity} {finding.code}", style=_STYLES[finding.severity])
    line.append(visible(f" {finding.object}: {finding.message}"))
    if finding.sqlstate is not None:
        line.append(f" [{finding.sqlstate}]", style="dim")
    console.print(line, soft_wrap=True)
    for caveat in finding.caveats:
        console.print(Text(visible(f"    note: {caveat}"), style="dim"), soft_wrap=True)
    if finding.remedy is not None:
        lock = f"  -- {finding.remedy.lock}" if finding.remedy.lock is not None else ""
        for number, statement in enumerate(finding.remedy.sql):
            text = f"    {'    ' if number else 'fix:'} {statement}{lock}"
            console.print(Text(visible(text), style="green"), soft_wrap=True)
        for statement in finding.remedy.reverse:
            console.print(Text(visible(f"    back: {statement}"), style="dim"), soft_wrap=True)
    if finding.rewrite is not None:
        console.print(Text(visible(f"    instead: {finding.rewrite}")), soft_wrap=True)
    for number, text in enumerate(visible_block(finding.fix or "").split("\n") if finding.fix else ()):
        console.print(Text(f"    {'fix: ' if not number else '     '}{text}", style="green"), soft_wrap=True)


def _summary(document: FindingsDocument) -> str:
    counts = [f"{document.count(s)} {s}{'s' if document.count(s) != 1 and s != 'info' else ''}" for s in _STYLES]
    suppressed = f", {len(document.suppressed)} suppressed" if document.suppressed else ""
    if document.command == "check --health":
        checked = f"{plural(document.objects, 'object')} of {document.basis}"
    else:
        checked = f"{plural(document.objects, 'spec')} by {document.basis}"
    return f"{checked}: {', '.join(counts)}{suppressed}"


def _print_gaps(console: Console, document: FindingsDocument) -> None:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for check in document.checks:
        for reason in check.skipped_because if check.skipped else ():
            by_reason[reason].append(f"{check.code} ({check.skipped})")
    for reason, codes in sorted(by_reason.items()):
        console.print(Text(visible(f"not examined: {', '.join(codes)}: {reason}"), style="dim"), soft_wrap=True)
    for gap in document.not_examined:
        console.print(Text(visible(f"not examined: {gap.what}: {gap.reason}"), style="dim"), soft_wrap=True)
