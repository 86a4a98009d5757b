"""Find drift: where a database and the approved specs disagree."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.catalog import Catalog
from analyzer.checks.registry import DRIFT_RULES, RULES
from analyzer.documents.findings import Fingerprints, RuleCount, SpecFinding
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.errors import ConflictError, InputError, NotExaminableError
from analyzer.objects.index import IndexDef
from analyzer.specs.diff import Canonical, Change, Comparison
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.sql import ident

_OF_SPECS = ("TX301", "TX302", "TX303", "TX306", "TX307", "TX308", "TX309", "TX310")
_OF_FIELDS = {"tablespace": "TX307", "comment": "TX306", "statistics": "TX308"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Where specs and database disagree, and what was looked at."""

    findings: tuple[SpecFinding, ...]
    checks: tuple[RuleCount, ...]
    #: Declared indexes that were compared.
    objects: int
    not_examined: tuple[NotExamined, ...]


@dataclass(slots=True, kw_only=True)
class _Findings:
    """What has been found so far."""

    findings: list[SpecFinding] = field(default_factory=list[SpecFinding])
    examined: Counter[str] = field(default_factory=Counter[str])
    skipped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    fingerprints: Fingerprints = field(default_factory=Fingerprints)

    def find(self, code: str, file: Path, line: int, name: str, message: str) -> None:
        self.findings.append(
            SpecFinding(
                code=code,
                severity=RULES[code].severity,
                object=name,
                message=message,
                file=str(file),
                line=line,
                rule=RULES[code].name,
                fingerprint=self.fingerprints.of(code, name),
            )
        )

    def counts(self) -> tuple[RuleCount, ...]:
        flagged = Counter(finding.code for finding in self.findings)
        return tuple(
            RuleCount(
                code=code,
                title=RULES[code].title,
                examined=self.examined[code],
                skipped=len(self.skipped.get(code, ())),
                skipped_because=tuple(sorted(set(self.skipped.get(code, ())))),
                flagged=flagged[code],
            )
            for code in (rule.code for rule in DRIFT_RULES)
        )


def find_drift(specs: SpecSet, snapshot: Snapshot, canonical: Canonical, *, gaps: Sequence[NotExamined] = ()) -> Drift:
    """Compare every approved and retired spec with the captured indexes; `gaps` are what the twin could not have.

    Raises NotExaminableError when there is nothing to compare, or nothing could be.
    """
    wanted = [spec for spec in specs.specs if spec.spec.state in {"approved", "retired"}]
    if not wanted and not specs.managed:
        raise NotExaminableError("no approved spec is declared; twindex pull writes specs of the indexes that exist")

    book, missing = _Findings(), _Missing(snapshot, gaps)
    readable = tuple(spec for spec in specs.specs if missing.table(spec) is None)
    comparison = Comparison(replace(specs, specs=readable), snapshot.indexes, canonical, Catalog(snapshot).indexed_rows)
    for spec in wanted:
        codes = ("TX305",) if spec.spec.state == "retired" else _OF_SPECS
        reason = missing.table(spec) or _compare(book, comparison, spec, missing)
        for code in codes:
            if reason is None:
                book.examined[code] += 1
            else:
                book.skipped.setdefault(code, []).append(reason)
    if wanted and not book.examined:
        raise NotExaminableError(f"no spec could be compared: {next(iter(book.skipped.values()))[0]}")
    _compare_unnamed(book, comparison, specs, snapshot)
    skipped = tuple(NotExamined(what=_name(s), reason=reason) for s in wanted if (reason := missing.table(s)))
    return Drift(
        findings=tuple(book.findings),
        checks=book.counts(),
        objects=len(wanted) - len(skipped),
        not_examined=skipped,
    )


class _Missing:
    """What the snapshot or the twin could not have, and so cannot be compared."""

    def __init__(self, snapshot: Snapshot, gaps: Sequence[NotExamined]) -> None:
        self._snapshot = snapshot
        self._unread = {gap.what.partition(" ")[2]: gap.reason for gap in snapshot.not_examined}
        self._gaps = gaps

    def table(self, spec: DeclaredSpec) -> str | None:
        """Say why the table of a spec was not captured, when that is the reason why it is not there."""
        if self._snapshot.relation(spec.schema, spec.table) is not None:
            return None
        return self._unread.get(ident(spec.schema, spec.table))

    def on_twin(self, spec: DeclaredSpec) -> str | None:
        """Say what of the twin may be the reason why it refuses a definition."""
        table = f"{spec.schema}.{spec.table}"
        for gap in self._gaps:
            if gap.what == table or gap.what.startswith(("extension ", "type ", "function ")):
                return f"{gap.what}: {gap.reason}"
        return None


def _compare(book: _Findings, comparison: Comparison, spec: DeclaredSpec, missing: _Missing) -> str | None:
    """Compare one spec; return why it could not be."""
    try:
        change = comparison.change(spec)
    except (InputError, ConflictError) as error:
        reason = missing.on_twin(spec)
        if reason is None:
            book.find("TX310", spec.file, spec.line, _name(spec), str(error).removeprefix(f"{spec.where}: "))
        return reason
    if change is not None:
        for code, message in _say(change, spec, comparison):
            book.find(code, spec.file, spec.line, _name(spec), message)
    return None


def _say(change: Change, spec: DeclaredSpec, comparison: Comparison) -> Iterator[tuple[str, str]]:
    current, name = change.current, spec.spec.name
    if change.kind == "drop":
        yield "TX305", f"{name} is retired and still exists; twindex revise writes its drop"
        return
    if current is None:
        yield "TX301", f"{name} does not exist on {change.index.qualified_table}; twindex revise writes its build"
        return
    if not current.valid:
        yield "TX303", f"{name} is INVALID, left by a build that failed; twindex revise writes its build"
        return
    if change.kind == "rename":
        yield "TX309", f"{name} exists as {current.definition.name}; twindex revise writes the renaming"
    definition = tuple(part for part in change.differs if part not in _OF_FIELDS)
    if definition:
        left, right = comparison.printed(change.index), comparison.printed(current.definition)
        parts = "; ".join(f"{part}: spec {_show(left, part)}, database {_show(right, part)}" for part in definition)
        yield "TX302", f"{name} is defined otherwise, {parts}"
    for part in change.differs:
        if part in _OF_FIELDS:
            left, right = _attribute(change, current, part)
            yield _OF_FIELDS[part], f"{name} has another {part}: spec {left}, database {right}"


def _show(index: IndexDef, part: str) -> str:
    """Write one part of a definition as CREATE INDEX does."""
    if part == "keys":
        bare = replace(index, name="i", where=None, include=(), parameters=(), nulls_not_distinct=False).ddl()
        return bare[bare.index(" (") + 1 :]
    value: object = getattr(index, part)
    if part == "parameters":
        return ", ".join(f"{name}={setting}" for name, setting in index.parameters) or "none"
    if isinstance(value, tuple):
        return ", ".join(ident(name) for name in index.include) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _attribute(change: Change, current: Index, part: str) -> tuple[str, str]:
    match part:
        case "tablespace":
            return change.index.tablespace or "the default", current.definition.tablespace or "the default"
        case "comment":
            return repr(change.comment) if change.comment else "none", repr(
                current.comment
            ) if current.comment else "none"
        case _:
            return _targets(change.statistics), _targets(current.statistics_targets)


def _targets(statistics: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{target} of key {position}" for position, target in statistics) or "the default"


def _compare_unnamed(book: _Findings, comparison: Comparison, specs: SpecSet, snapshot: Snapshot) -> None:
    for change in comparison.unnamed():
        name = change.index.qualified_name
        file, line = specs.managed[change.index.schema, change.index.table]
        message = f"{change.index.name} on {change.index.qualified_table} is named by no spec, and the file manages all"
        book.find("TX304", file, line, name, message)
    managed = (i for i in snapshot.indexes if i.definition.full_table in specs.managed)
    book.examined["TX304"] = sum(1 for _ in managed)


def _name(spec: DeclaredSpec) -> str:
    return ident(spec.schema, spec.spec.name)
