"""Find drift: where a database and the approved specs disagree."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from analyzer.catalog import Catalog
from analyzer.checks.across_schemas import Found, Place, general_name, merged
from analyzer.checks.leftovers import find_leftovers, is_kept
from analyzer.checks.registry import DRIFT_RULES, RULES
from analyzer.documents.findings import RuleCount, SpecFinding
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.errors import ConflictError, InputError, NotExaminableError, TwinLacksError
from analyzer.migrate.plan.environment import Environment
from analyzer.objects.definition import Definition, Kind, kind_of
from analyzer.objects.index import IndexDef, Timing
from analyzer.objects.statistics import StatisticsDef
from analyzer.objects.temporary_names import kept_until
from analyzer.postgres.identifiers import QualifiedName, quote
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.declared_twice import declared_twice
from analyzer.specs.diff import Canonical, Change, Comparison
from analyzer.specs.existing import Existing, existing_objects, table_of
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.spec_file import Spec
from analyzer.specs.table_patterns import expanded, tables_of, unmatched
from analyzer.sql import ident

#: When a spec cannot be compared, whatever its kind.
_INCOMPARABLE = "TX310"
#: An index that something interrupted has left.
_LEFTOVER = "TX319"
#: An index that was replaced and stays for the way back.
_KEPT = "TX320"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codes:
    """The rules of one kind of object."""

    missing: str
    different: str
    #: None for a kind that is never left half made.
    invalid: str | None
    unmanaged: str
    retired: str
    renamed: str
    #: Of what differs without a new build.
    attributes: Mapping[str, str]

    def of_specs(self) -> tuple[str, ...]:
        """Return those that every approved spec is compared by."""
        found = (self.missing, self.different, self.invalid, self.renamed, *self.attributes.values(), _INCOMPARABLE)
        return tuple(code for code in found if code is not None)


_CODES: Mapping[Kind, _Codes] = {
    "index": _Codes(
        missing="TX301", different="TX302", invalid="TX303", unmanaged="TX304", retired="TX305", renamed="TX309",
        attributes={"tablespace": "TX307", "comment": "TX306", "statistics": "TX308"},
    ),
    "statistics": _Codes(
        missing="TX313", different="TX314", invalid=None, unmanaged="TX315", retired="TX316", renamed="TX318",
        attributes={"target": "TX317"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Where specs and database disagree, and what was looked at."""

    findings: tuple[SpecFinding, ...]
    checks: tuple[RuleCount, ...]
    #: Declared objects that were compared.
    objects: int
    not_examined: tuple[NotExamined, ...]


@dataclass(slots=True, kw_only=True)
class _Findings:
    """What has been found so far."""

    found: list[Found] = field(default_factory=list[Found])
    examined: Counter[str] = field(default_factory=Counter[str])
    skipped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def find(self, code: str, spec: DeclaredSpec[Spec], message: str) -> None:
        self.find_at(code, (spec.file, spec.line), QualifiedName(spec.schema, spec.spec.name), message, spec.schemas)

    def find_at(
        self, code: str, place: Place | None, name: QualifiedName, message: str, schemas: Schemas | None = None
    ) -> None:
        shown = general_name(name.schema, schemas, name.name)
        finding = SpecFinding(
            code=code,
            severity=RULES[code].severity,
            object=shown,
            message=message,
            file=None if place is None else str(place[0]),
            line=None if place is None else place[1],
            rule=RULES[code].name,
            fingerprint="",
        )
        found = Found(finding=finding, identity=(shown,), place=place, schema=name.schema, schemas=schemas)
        self.found.append(found)

    def counts(self, findings: Sequence[SpecFinding]) -> tuple[RuleCount, ...]:
        flagged = Counter(finding.code for finding in findings)
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


def find_drift(
    specs: SpecSet, snapshot: Snapshot, canonical: Canonical, *, environment: Environment | None = None
) -> Drift:
    """Compare every approved and retired spec with the captured objects.

    `environment` are the rules of the project's env.py.

    Raises NotExaminableError when there is nothing to compare, or nothing could be.
    """
    if not any(_is_compared(spec) for spec in specs.specs) and not specs.managed:
        raise NotExaminableError("no approved spec is declared; twindex pull writes specs of what exists")
    tables = tables_of(snapshot)
    without_table = tuple(
        NotExamined(what=f"{schemas}.{quote(table.name)}", reason="no schema that matches has the table")
        for table, schemas in unmatched(specs, tables)
    )
    specs = expanded(specs, tables)
    wanted = [spec for spec in specs.specs if _is_compared(spec)]

    rules = environment or Environment()
    seen, hidden = rules.seen(specs)
    book, missing = _Findings(), _Missing(snapshot, hidden)
    readable = replace(seen, specs=tuple(spec for spec in seen.specs if missing.table(spec) is None))
    rows, existing = Catalog(snapshot).indexed_rows, rules.unowned(existing_objects(snapshot), readable)
    comparison = Comparison(
        readable, existing, canonical, rows, rules.drops, own_tablespace=snapshot.server.own_tablespace
    )
    twice = {
        spec.key: problem
        for spec, problem in declared_twice(rules.models, rules.constraints, readable, canonical, rows)
    }
    for spec in wanted:
        own = _CODES[spec.kind]
        codes = (own.retired,) if spec.spec.state == "retired" else own.of_specs()
        if (problem := twice.get(spec.key)) is not None:
            book.find(_INCOMPARABLE, spec, problem)
            book.examined[_INCOMPARABLE] += 1
            codes = tuple(code for code in codes if code != _INCOMPARABLE)
            reason = "a model declares it as well"
        else:
            reason = missing.table(spec) or _compare(book, comparison, spec)
        for code in codes:
            if reason is None:
                book.examined[code] += 1
            else:
                book.skipped.setdefault(code, []).append(reason)
    if not book.examined and (wanted or without_table):
        reasons = [*(reason for each in book.skipped.values() for reason in each), *(e.reason for e in without_table)]
        raise NotExaminableError(f"no spec could be compared: {reasons[0]}")
    _compare_unnamed(book, comparison, readable, existing, rules)
    _compare_leftovers(book, specs, snapshot)
    skipped = tuple(NotExamined(what=_name(s), reason=reason) for s in wanted if (reason := missing.table(s)))
    unread = () if rules.unknown is None else (NotExamined(what="models", reason=rules.unknown),)
    findings = tuple(merged(book.found, [*((spec.file, spec.line) for spec in wanted), *specs.managed.values()]))
    return Drift(
        findings=findings,
        checks=book.counts(findings),
        objects=len(wanted) - len(skipped),
        not_examined=(*skipped, *without_table, *unread),
    )


def _is_compared(spec: DeclaredSpec[Spec]) -> bool:
    return spec.spec.state in {"approved", "retired"}


class _Missing:
    """What is left out by env.py, or what the snapshot could not have, and so cannot be compared."""

    def __init__(self, snapshot: Snapshot, hidden: Sequence[DeclaredSpec[Spec]]) -> None:
        self._snapshot = snapshot
        self._hidden = {spec.key for spec in hidden}
        self._unread = {gap.what.partition(" ")[2]: gap.reason for gap in snapshot.not_examined}

    def table(self, spec: DeclaredSpec[Spec]) -> str | None:
        """Say why the table of a spec is left out, or was not captured when that is the reason why it is not there."""
        if spec.key in self._hidden:
            return "env.py leaves out its table"
        if self._snapshot.relation(spec.schema, spec.table) is not None:
            return None
        return self._unread.get(ident(spec.schema, spec.table))


def _compare(book: _Findings, comparison: Comparison, spec: DeclaredSpec[Spec]) -> str | None:
    """Compare one spec; return why it could not be."""
    try:
        change = comparison.change(spec)
    except TwinLacksError as error:
        return f"the twin lacks {error.lacks}"
    except (InputError, ConflictError) as error:
        book.find(_INCOMPARABLE, spec, str(error).removeprefix(f"{spec.where}: "))
        return None
    if change is not None:
        for code, message in _say(change, spec, comparison):
            book.find(code, spec, message)
    return None


def _say(change: Change, spec: DeclaredSpec[Spec], comparison: Comparison) -> Iterator[tuple[str, str]]:
    current, name, codes = change.current, spec.spec.name, _CODES[spec.kind]
    made = "build" if spec.kind == "index" else "creation"
    if change.kind == "drop":
        yield codes.retired, f"{name} is retired, but still exists; twindex revise writes a revision that drops it"
        return
    if current is None:
        table = change.definition.qualified_table
        remedy = f"run alembic upgrade head if a revision has its {made}, else twindex revise"
        yield codes.missing, f"{name} does not exist on {table}; {remedy}"
        return
    if not current.valid and codes.invalid is not None:
        yield (
            codes.invalid,
            f"{name} is INVALID after a failed build; run alembic upgrade head again, or else twindex revise",
        )
        return
    if change.kind == "rename":
        yield codes.renamed, f"{name} exists as {current.definition.name}; twindex revise writes the rename"
    definition = tuple(part for part in change.differs if part not in codes.attributes)
    if "constraint" in definition:
        left, right = (_constraint(each) for each in (change.timing, _current_timing(current)))
        yield codes.different, f"{name} differs in its constraint: spec {left}, database {right}"
    definition = tuple(part for part in definition if part != "constraint")
    if definition:
        left, right = comparison.printed(change.definition), comparison.printed(current.definition)
        parts = "; ".join(f"{part}: spec {_show(left, part)}, database {_show(right, part)}" for part in definition)
        yield codes.different, f"{name} has a different definition, {parts}"
    for part in change.differs:
        if part in codes.attributes:
            left, right = _attribute(change, current, part)
            yield codes.attributes[part], f"{name} has another {part}: spec {left}, database {right}"


def _current_timing(current: Existing) -> Timing | None:
    return current.unique_constraint if isinstance(current, Index) else None


def _constraint(timing: Timing | None) -> str:
    return "none" if timing is None else f"UNIQUE {timing.upper()}"


def _show(definition: Definition, part: str) -> str:
    """Write one part of a definition as the statement that creates it does."""
    if isinstance(definition, IndexDef) and part == "keys":
        bare = replace(definition, name="i", where=None, include=(), parameters=(), nulls_not_distinct=False).ddl()
        return bare[bare.index(" (") + 1 :]
    if isinstance(definition, IndexDef) and part == "parameters":
        return ", ".join(f"{name}={setting}" for name, setting in definition.parameters) or "none"
    if part == "kinds":
        return ", ".join(definition.kinds if isinstance(definition, StatisticsDef) else ()) or "the default"
    value: object = getattr(definition, part)
    if isinstance(value, tuple):
        names = cast("tuple[str, ...]", value)
        return ", ".join(name if part == "expressions" else ident(name) for name in names) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _attribute(change: Change, current: Existing, part: str) -> tuple[str, str]:
    """Write what is declared and what exists of a part that differs without a new build."""
    wanted = change.definition
    if isinstance(wanted, StatisticsDef) or not isinstance(current, Index):
        targets = (each.target if isinstance(each, StatisticsDef) else None for each in (wanted, current.definition))
        left, right = ("the default" if target is None else str(target) for target in targets)
        return left, right
    match part:
        case "tablespace":
            return wanted.tablespace or "the default", current.definition.tablespace or "the default"
        case "comment":
            left, right = (repr(text) if text else "none" for text in (change.comment, current.comment))
            return left, right
        case _:
            return _targets(change.statistics), _targets(current.statistics_targets)


def _targets(statistics: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{target} of key {position}" for position, target in statistics) or "the default"


def _compare_unnamed(
    book: _Findings, comparison: Comparison, specs: SpecSet, existing: Sequence[Existing], rules: Environment
) -> None:
    for change in comparison.unnamed():
        gone = change.definition
        message = f"{gone.name} on {gone.qualified_table} has no spec, and the file says manage: all"
        book.find_at(
            _CODES[kind_of(gone)].unmanaged,
            specs.managed[gone.full_table],
            QualifiedName(gone.schema, gone.name),
            message,
            specs.patterns.get(gone.full_table),
        )
    for each in existing:
        if table_of(each) in specs.managed:
            code = _CODES[kind_of(each.definition)].unmanaged
            if rules.unknown is None:
                book.examined[code] += 1
            else:
                book.skipped.setdefault(code, []).append(rules.unknown)


def _compare_leftovers(book: _Findings, specs: SpecSet, snapshot: Snapshot) -> None:
    """Name leftovers on any table; a declared index that is INVALID is named as such, beside its spec."""
    declared = {(spec.schema, spec.spec.name) for spec in specs.indexes if spec.spec.state in {"approved", "retired"}}
    others = [each for each in snapshot.indexes if (each.definition.schema, each.definition.name) not in declared]
    for code in (_LEFTOVER, _KEPT):
        book.examined[code] += len(others)
    for index in (each for each in others if is_kept(each, snapshot)):
        definition, until = index.definition, kept_until(index.comment)
        message = f"{definition.qualified_name} of {definition.qualified_table} was replaced, and is kept until {until}"
        book.find_at(_KEPT, None, QualifiedName(definition.schema, definition.name), message)
    for index, message in find_leftovers(others, snapshot):
        name = QualifiedName(index.definition.schema, index.definition.name)
        book.find_at(_LEFTOVER, None, name, message)


def _name(spec: DeclaredSpec[Spec]) -> str:
    return ident(spec.schema, spec.spec.name)
