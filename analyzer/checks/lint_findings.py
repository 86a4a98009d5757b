"""Collect the findings of lint, apply the suppressions in the files, and count by rule."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.checks.across_schemas import Found, merged
from analyzer.checks.registry import (
    ABOUT_FILES,
    BAD_SUPPRESSION,
    EXPIRED_SUPPRESSION,
    LINT_RULES,
    UNUSED_SUPPRESSION,
    find_rule,
)
from analyzer.checks.rule import Rule
from analyzer.checks.spec import suppressions
from analyzer.checks.spec.suppressions import Ignore, Malformed
from analyzer.documents.findings import Fingerprints, RuleCount, SpecFinding, Suppression, by_severity
from analyzer.specs.tolerant import Source


@dataclass(slots=True)
class LintFindings:
    """The findings of one run, and what was examined for them."""

    found: list[Found] = field(default_factory=list[Found])
    examined: Counter[str] = field(default_factory=Counter[str])
    skipped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    #: Rules that could not look at a spec, by file, line and schema of the spec.
    unseen: set[tuple[str, int, str, str]] = field(default_factory=set[tuple[str, int, str, str]])


def apply_suppressions(
    tally: LintFindings, sources: Sequence[Source], today: dt.date
) -> tuple[list[SpecFinding], list[SpecFinding]]:
    """Return the findings that count, those about suppressions among them, and the suppressed ones."""
    specs = (entry.declared for source in sources for entry in (*source.entries, *source.statistics))
    open_findings = merged(tally.found, ((spec.file, spec.line) for spec in specs))
    suppressed = list[SpecFinding]()
    unseen = {(file, line, code) for file, line, _, code in tally.unseen}
    prints = Fingerprints()
    for source in sources:
        for each in suppressions.read_suppressions(source, _code_of):
            if isinstance(each, Malformed):
                open_findings.append(_about_comment(prints, source, BAD_SUPPRESSION, each.line, each.problem))
            elif each.code not in LINT_RULES or each.code in ABOUT_FILES:
                problem = f"{each.code} is not a rule that can be suppressed; see twindex explain"
                open_findings.append(_about_comment(prints, source, BAD_SUPPRESSION, each.line, problem))
            elif each.until is not None and each.until < today:
                message = f"the suppression of {each.code} ended on {each.until}; fix the spec or set a new date"
                open_findings.append(_about_comment(prints, source, EXPIRED_SUPPRESSION, each.line, message))
            else:
                meant = [f for f in open_findings if _means(source, each, f)]
                open_findings = [f for f in open_findings if f not in meant]
                suppression = Suppression(reason=each.reason, until=each.until, line=each.line)
                suppressed += [f.model_copy(update={"suppression": suppression}) for f in meant]
                if not meant and (str(source.path), each.spec_line, each.code) not in unseen:
                    message = f"unused suppression: {each.code} reports nothing here; remove the comment"
                    open_findings.append(_about_comment(prints, source, UNUSED_SUPPRESSION, each.line, message))
    return open_findings, suppressed


def _code_of(name: str) -> str | None:
    rule = find_rule(name)
    return rule.code if rule is not None else None


def _means(source: Source, ignore: Ignore, finding: SpecFinding) -> bool:
    if finding.code != ignore.code or finding.file != source.path.as_posix() or finding.line is None:
        return False
    last = next((last for first, last in source.spans if first == ignore.spec_line), ignore.spec_line)
    return ignore.spec_line <= finding.line <= last


def _about_comment(prints: Fingerprints, source: Source, rule: Rule, line: int, message: str) -> SpecFinding:
    return SpecFinding(
        code=rule.code, severity=rule.severity, rule=rule.name, object=source.table or source.path.name,
        message=message, file=source.path.as_posix(), line=line,
        fingerprint=prints.of(rule.code, source.table or source.path.name, message),
    )  # fmt: skip


def rule_counts(
    tally: LintFindings, open_findings: Sequence[SpecFinding], suppressed: Sequence[SpecFinding]
) -> Iterator[RuleCount]:
    """Yield for every rule how many specs it examined, skipped, flagged, and how many findings were suppressed."""
    flagged = Counter(finding.code for finding in open_findings)
    hidden = Counter(finding.code for finding in by_severity(suppressed))
    for code, rule in LINT_RULES.items():
        reasons = tally.skipped.get(code, [])
        objects = {key for key in tally.unseen if key[-1] == code}
        yield RuleCount(
            code=code,
            title=rule.title,
            examined=tally.examined[code],
            skipped=len(objects),
            flagged=flagged[code],
            suppressed=hidden[code],
            skipped_because=tuple(sorted(set(reasons))),
        )
