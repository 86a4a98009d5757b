"""Examine a database by its snapshot: what is wrong with its indexes, its tables and its workload."""

import datetime as dt
import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.checks.health_rule import Database, Fine, Flagged, HealthRule, Skipped
from analyzer.checks.registry import HEALTH_RULES
from analyzer.config import HealthSuppression
from analyzer.documents.findings import Fingerprints, RuleCount, SpecFinding, Suppression
from analyzer.specs.file import SpecSet
from analyzer.sql import ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Findings about a database, and what every rule looked at."""

    findings: tuple[SpecFinding, ...]
    suppressed: tuple[SpecFinding, ...]
    checks: tuple[RuleCount, ...]
    #: Objects that were looked at by any rule.
    objects: int


@dataclass(slots=True)
class _Tally:
    examined: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    flagged: int = 0
    suppressed: int = 0


def examine_health(
    database: Database,
    specs: SpecSet,
    suppressions: Sequence[HealthSuppression] = (),
    *,
    today: dt.date,
    rules: Mapping[str, HealthRule] = HEALTH_RULES,
) -> Health:
    """Ask every rule about a database; findings about a declared index have the place of its spec."""
    prints, places = Fingerprints(), _places(specs)
    found, hidden, checks, objects = list[SpecFinding](), list[SpecFinding](), list[RuleCount](), set[str]()
    for rule in rules.values():
        tally = _Tally()
        for answer in rule.examine(database):
            objects.add(answer.object)
            match answer:
                case Fine():
                    tally.examined += 1
                case Skipped():
                    tally.skipped[answer.reason] += 1
                case Flagged():
                    tally.examined += 1
                    finding = _finding(rule, answer, prints, places)
                    if (suppression := _suppression(finding, suppressions, today)) is None:
                        tally.flagged += 1
                        found.append(finding)
                    else:
                        tally.suppressed += 1
                        hidden.append(finding.model_copy(update={"suppression": suppression}))
        checks.append(_count(rule, tally))
    return Health(findings=tuple(found), suppressed=tuple(hidden), checks=tuple(checks), objects=len(objects))


def _places(specs: SpecSet) -> dict[str, tuple[str, int]]:
    """Return file and line of each declared index and statistics object, by its quoted name."""
    return {str(ident(*each.full_name)): (str(each.file), each.line) for each in specs.specs}


def _finding(
    rule: HealthRule, answer: Flagged, prints: Fingerprints, places: Mapping[str, tuple[str, int]]
) -> SpecFinding:
    name = answer.object
    file, line = places.get(name, (None, None))
    return SpecFinding(
        code=rule.code,
        rule=rule.name,
        severity=answer.severity or rule.severity,
        object=name,
        message=answer.message,
        file=file,
        line=line,
        rewrite=answer.rewrite,
        fingerprint=prints.of(rule.code, name, answer.part),
        evidence=answer.evidence,
        caveats=answer.caveats,
        remedy=answer.remedy,
        confidence=answer.confidence,
    )


def _suppression(finding: SpecFinding, suppressions: Sequence[HealthSuppression], today: dt.date) -> Suppression | None:
    """Return what suppresses a finding; errors are always shown."""
    if finding.severity == "error":
        return None
    for each in suppressions:
        if each.until is not None and each.until < today:
            continue
        if each.code in (finding.code, finding.rule) and fnmatch.fnmatchcase(finding.object, each.object):
            return Suppression(reason=each.reason, until=each.until, line=None)
    return None


def _count(rule: HealthRule, tally: _Tally) -> RuleCount:
    return RuleCount(
        code=rule.code,
        title=rule.title,
        examined=tally.examined,
        skipped=tally.skipped.total(),
        flagged=tally.flagged,
        suppressed=tally.suppressed,
        skipped_because=tuple(sorted(tally.skipped)),
    )
