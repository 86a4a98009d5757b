"""The document of the commands that check: findings, each with file and line, and what every rule looked at.

`lint` and `check` share it. A suppressed finding is in a separate list, so that it is not taken for an open one,
and a rule that could not look says so. Readers accept fields they do not know; a change they could misread raises
`version`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

from analyzer.documents.not_examined import NotExamined
from analyzer.documents.record import Record

Severity = Literal["error", "warning", "info"]

#: From the worst down.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Finding(Record):
    """What a check says about one object."""

    code: str
    severity: Severity
    #: Quoted, qualified.
    object: str
    message: str
    file: str | None = None
    line: int | None = None


class CheckCount(Record):
    """What one check looked at."""

    code: str
    examined: int
    skipped: int
    flagged: int
    #: Why it skipped what it skipped.
    skipped_because: tuple[str, ...] = ()


class Suppression(Record):
    """A comment in a spec file, or a setting of the project, that takes a finding out of the count."""

    reason: str
    until: date | None
    #: Line of the comment; None for a setting.
    line: int | None


class TextEdit(Record):
    """Characters of the finding's file to replace: lines and columns from 1, the end is the first that stays."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Fact(Record):
    """One number or word that a finding rests on."""

    name: str
    value: int | float | str
    #: Such as "bytes" or "scans"; None for a ratio or a word.
    unit: str | None = None


class Remedy(Record):
    """SQL that ends what a finding is about, and the way back. A statement each, in their order."""

    sql: tuple[str, ...]
    #: Empty where nothing has to be taken back.
    reverse: tuple[str, ...] = ()
    #: The strongest table lock that it takes, such as "SHARE UPDATE EXCLUSIVE".
    lock: str | None = None


Confidence = Literal["exact", "estimate"]


class SpecFinding(Finding):
    """What a rule says about one object: a declared index, or what a database holds or counted."""

    #: Short name of the rule.
    rule: str
    #: What to write instead, in words or SQL; None when nothing is known to be safe.
    rewrite: str | None = None
    #: The same as YAML: the keys of the spec to replace.
    fix: str | None = None
    #: The fix as edits of the file, where its layout allows them.
    edits: tuple[TextEdit, ...] = ()
    #: What the server would say, where it would.
    sqlstate: str | None = None
    #: Stays the same when the lines of the file move.
    fingerprint: str
    #: Numbers it rests on, of what a database holds or counted.
    evidence: tuple[Fact, ...] = ()
    #: What a reader must know before following it.
    caveats: tuple[str, ...] = ()
    remedy: Remedy | None = None
    confidence: Confidence = "exact"
    suppression: Suppression | None = None


class RuleCount(CheckCount):
    """What one rule looked at: every object is examined or skipped; flagged counts findings, suppressed ones apart."""

    title: str
    suppressed: int = 0


def by_severity(findings: Iterable[SpecFinding]) -> tuple[SpecFinding, ...]:
    """Sort findings as a reader wants them: worst first, then by file and line."""

    def key(finding: SpecFinding) -> tuple[int, str, int, str, str]:
        return (
            SEVERITIES.index(finding.severity),
            finding.file or "",
            finding.line or 0,
            finding.code,
            finding.fingerprint,
        )

    return tuple(sorted(findings, key=key))


def _by_code(checks: tuple[RuleCount, ...]) -> tuple[RuleCount, ...]:
    return tuple(sorted(checks, key=lambda check: check.code))


Findings = Annotated[tuple[SpecFinding, ...], AfterValidator(by_severity)]


class FindingsDocument(Record):
    """What a checking command says."""

    format: Literal["twindex-findings"] = "twindex-findings"
    version: Literal[1] = 1
    command: Literal["lint", "check", "check --health"]
    #: What the answers rest on, such as "the text of the specs alone".
    basis: str
    #: Declared indexes that were looked at; with --health, objects of the database and statements.
    objects: int
    findings: Findings = ()
    suppressed: Findings = ()
    checks: Annotated[tuple[RuleCount, ...], AfterValidator(_by_code)] = ()
    not_examined: tuple[NotExamined, ...] = ()

    def count(self, severity: Severity) -> int:
        """Count the open findings of one severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Say whether an open finding is at least this severe."""
        return any(SEVERITIES.index(f.severity) <= SEVERITIES.index(severity) for f in self.findings)


class Fingerprints:
    """Give findings keys that stay when lines move; what is found twice in one place is numbered."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, code: str, *identity: str) -> str:
        """Return the key of a finding about the object these names identify."""
        base = hashlib.sha256("\0".join((code, *identity)).encode()).hexdigest()[:32]
        self._seen[base] += 1
        return base if self._seen[base] == 1 else f"{base}-{self._seen[base]}"
