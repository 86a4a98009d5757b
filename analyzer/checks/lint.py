"""Ask every rule about every declared object, by the text alone or with what a database and a twin add."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from analyzer.checks.across_schemas import Found, general_name
from analyzer.checks.lint_findings import LintFindings, apply_suppressions, rule_counts
from analyzer.checks.registry import (
    ABOUT_FILES,
    DECLARED_IN_MODEL,
    DECLARED_TWICE,
    LINT_RULES,
    REFUSED,
    UNREADABLE,
)
from analyzer.checks.rule import Known, Rule, Subject, Unknown, Violation
from analyzer.checks.spec.expressions import looks_like_expression
from analyzer.checks.spec.sqlstates import rule_of
from analyzer.checks.spec.statistics import (
    CHECKS,
    REFUSED_STATISTICS,
    StatisticsSubject,
    refused_rule,
    statistics_subjects,
)
from analyzer.documents.findings import (
    FindingsDocument,
    SpecFinding,
    TextEdit,
)
from analyzer.errors import InputError, NotExaminableError, RejectedError, TwinLacksError
from analyzer.objects.definition import Definition, Kind
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef
from analyzer.postgres.identifiers import MOST_BYTES, fits
from analyzer.specs.diff import Canonical
from analyzer.specs.edits import edits_of
from analyzer.specs.index import IndexSpec, spec_entry
from analyzer.specs.spec_file import Spec
from analyzer.specs.statistics import StatisticsSpec
from analyzer.specs.tolerant import Entry, Problem, Source
from analyzer.specs.yaml_tree import MOST_SHOWN, Part, dump_mapping
from analyzer.sql import ident, shortened

AnySubject = Subject | StatisticsSubject

_TEXT_BASIS = "the text of the specs alone"


def lint(
    sources: Sequence[Source],
    *,
    today: dt.date,
    known: Known | None = None,
    build: Canonical | None = None,
    model_indexes: Sequence[IndexDef] | None = None,
) -> FindingsDocument:
    """Lint the specs of these files; `build` makes the answers exact.

    Raises NotExaminableError when the files hold no spec.
    """
    subjects, statistics = tuple(_subjects(sources, known, build)), statistics_subjects(sources, known, build)
    problems = [(source, problem) for source in sources for problem in source.problems]
    if not subjects and not statistics and not problems:
        raise NotExaminableError("no specs found; specify spec files, or a directory of them")
    tally = LintFindings()
    for source, problem in problems:
        _add_problem(tally, source, problem)
    unread = dict.fromkeys((str(s.path), p.spec_line, p.section) for s, p in problems if p.spec_line is not None)
    for path, line, section in unread:
        for rule in _about_specs("statistics" if section == StatisticsSpec.section else "index"):
            _skip_at(tally, (path, line, ""), rule, "the spec is invalid")
    declared = _by_table(subjects)
    for subject in subjects:
        _examine(tally, replace(subject, declared=declared))
    for each in statistics:
        _examine_statistics(tally, each)
    _add_twice(tally, (*subjects, *statistics))
    _add_models(tally, subjects, model_indexes, build)
    open_findings, suppressed = apply_suppressions(tally, sources, today)
    return FindingsDocument(
        command="lint",
        basis=_TEXT_BASIS,
        objects=len(subjects) + len(statistics) + len(unread),
        findings=tuple(open_findings),
        suppressed=tuple(suppressed),
        checks=tuple(rule_counts(tally, open_findings, suppressed)),
    )


def _about_specs(kind: Kind = "index") -> Iterator[Rule]:
    return (rule for rule in LINT_RULES.values() if rule.code not in ABOUT_FILES and rule.kind == kind)


def definitions_to_build(
    sources: Sequence[Source], known: Known, models: Sequence[IndexDef] | None
) -> tuple[Definition, ...]:
    """List the definitions that `lint` asks its `build` for."""
    subjects = (*_subjects(sources, known, None), *statistics_subjects(sources, known, None))
    found = [each.definition for each in subjects if _wanted(each)]
    tables = {each.full_table for each in found}
    return (*found, *(each for each in models or () if each.full_table in tables))


def _subjects(sources: Sequence[Source], known: Known | None, build: Canonical | None) -> Iterator[Subject]:
    for source in sources:
        for entry in source.entries:
            declared = entry.declared
            rows = known.catalog.indexed_rows(declared.schema, declared.table) if known is not None else None
            index = declared.spec.definition(declared.schema, declared.table, rows)
            subject = Subject(entry=entry, index=index, known=known)
            yield replace(subject, built=_built(index, build)) if build and _wanted(subject) else subject


def _by_table(subjects: Iterable[Subject]) -> dict[tuple[str, str], tuple[Subject, ...]]:
    found: dict[tuple[str, str], list[Subject]] = {}
    for subject in filter(_wanted, subjects):
        found.setdefault(subject.table, []).append(subject)
    return {table: tuple(each) for table, each in found.items()}


def _wanted(subject: AnySubject) -> bool:
    return subject.spec.state in ("proposed", "approved") and not _is_to_go(subject)


def _is_to_go(subject: AnySubject) -> bool:
    return isinstance(subject, Subject) and subject.spec.change == "retire"


def _built(index: IndexDef, build: Canonical) -> IndexDef | RejectedError | TwinLacksError:
    # A twin has no tablespaces; TX120 looks those up elsewhere.
    wanted = replace(index, tablespace=None)
    try:
        return replace(build(wanted), tablespace=index.tablespace)
    except (RejectedError, TwinLacksError) as error:
        return error
    except InputError as error:  # an expression that never reached the server
        return RejectedError(statement=index.name, sqlstate="42601", message=str(error))


def _examine(tally: LintFindings, subject: Subject) -> None:
    refused = rule_of(subject.built, subject) if isinstance(subject.built, RejectedError) else None
    asked = {code: list(rule.check(subject)) for code, rule in LINT_RULES.items()} if _wanted(subject) else {}
    if refused == "TX101" and any(isinstance(a, Violation) for a in asked["TX102"]):
        refused = "TX102"
    for rule in _about_specs():
        code = rule.code
        if rule in (DECLARED_TWICE, DECLARED_IN_MODEL):
            continue
        if not _wanted(subject):
            if code in ("TX118", "TX119") and subject.spec.state == "retired":
                asked[code] = list(rule.check(subject))
            else:
                _skip(tally, subject, rule, _not_made(subject))
                continue
        _record(tally, subject, rule, *_answers(subject, rule, asked[code], refused))


def _examine_statistics(tally: LintFindings, subject: StatisticsSubject) -> None:
    for rule in _about_specs("statistics"):
        asked = list(CHECKS[rule.code](subject)) if _wanted(subject) else [Unknown(reason=_not_made(subject))]
        _record(tally, subject, rule, *_answers(subject, rule, asked, refused_rule(subject)))


def _not_made(subject: AnySubject) -> str:
    if _is_to_go(subject) and subject.spec.state == "proposed":
        return "change: retire, so it is not built"
    return f"state: {subject.spec.state}, so it is not {'built' if isinstance(subject, Subject) else 'created'}"


def _record(tally: LintFindings, subject: AnySubject, rule: Rule, hits: list[Violation], unknown: list[str]) -> None:
    if unknown and not hits:
        for reason in unknown:
            _skip(tally, subject, rule, reason)
        return
    tally.examined[rule.code] += 1
    tally.found += [_finding(subject, rule, hit) for hit in hits]


def _answers(
    subject: AnySubject, rule: Rule, answers: Sequence[Violation | Unknown], refused: str | None
) -> tuple[list[Violation], list[str]]:
    """Let the server overrule the text where it was asked: what it builds is right, what it refuses is not."""
    hits = [answer for answer in answers if isinstance(answer, Violation)]
    unknown = list(dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Unknown)))
    if isinstance(subject.built, RejectedError) and rule.code == refused:
        detail = f" ({subject.built.detail})" if subject.built.detail else ""
        return hits or [Violation(message=f"the server rejects it: {subject.built.message}{detail}")], []
    if not rule.decided_by_server:
        return hits, unknown
    if subject.built is None:
        only_server = not unknown and rule.code in (REFUSED.code, REFUSED_STATISTICS)
        return hits, ["requires a server; use -d URL or --snapshot"] if only_server else unknown
    if isinstance(subject.built, IndexDef | StatisticsDef):
        return [], []
    if isinstance(subject.built, TwinLacksError):
        return hits, [] if hits else [f"the twin lacks {subject.built.lacks}"]
    return hits, [] if hits else [f"the server stopped at {refused} before it looked"]


def _skip(tally: LintFindings, subject: AnySubject, rule: Rule, reason: str) -> None:
    own = subject.entry.declared
    _skip_at(tally, (str(own.file), subject.entry.part.line, own.schema), rule, reason)


def _skip_at(tally: LintFindings, where: tuple[str, int, str], rule: Rule, reason: str) -> None:
    tally.skipped.setdefault(rule.code, []).append(reason)
    tally.unseen.add((*where, rule.code))


def _finding(subject: AnySubject, rule: Rule, hit: Violation) -> Found:
    built, changed = subject.built, fixed_entry(subject, hit) or {}
    state = built.sqlstate if isinstance(built, RejectedError) and rule.decided_by_server else None
    spec = subject.entry.declared
    name, table = (general_name(spec.schema, spec.schemas, each) for each in (spec.spec.name, spec.table))
    place = ".".join(str(step) for step in hit.at)
    finding = SpecFinding(
        code=rule.code,
        severity=rule.severity,
        rule=rule.name,
        object=name,
        message=hit.message,
        file=subject.entry.declared.file.as_posix(),
        line=subject.entry.line(hit.at),
        rewrite=hit.rewrite,
        fix=_fix(changed),
        edits=_edits(subject.entry.text, subject.entry.part, changed),
        sqlstate=state or (rule.sqlstates[0] if len(rule.sqlstates) == 1 else None),
        fingerprint="",
    )
    return Found(
        finding=finding,
        identity=(table, name, place),
        place=(spec.file, spec.line),
        schema=spec.schema,
        schemas=spec.schemas,
    )


def fixed_entry(subject: AnySubject, hit: Violation) -> dict[str, Any] | None:
    """Return the keys of the spec that a fix changes; None as a value takes the key out."""
    if hit.fix is None and not hit.fix_keys:
        return None
    if isinstance(subject, StatisticsSubject):
        return dict(hit.fix_keys)
    before = spec_entry(subject.index, state="approved", why="", evidence={})
    after = spec_entry(hit.fix or subject.index, state="approved", why="", evidence={})
    names = [name for name in dict.fromkeys((*after, *before)) if before.get(name) != after.get(name)]
    changed = {name: after.get(name) for name in names}
    parameters: dict[str, Any] = changed.get("with") or {}
    if subject.spec.parameters.get("lists") == "auto" and "lists" in parameters:
        changed["with"] = parameters | {"lists": "auto"}
    changed |= hit.fix_keys
    return changed if _is_possible(subject.spec, changed) else None


def _is_possible(spec: IndexSpec, changed: Mapping[str, Any]) -> bool:
    """Say whether a spec may say what a fix makes of it: a unique constraint takes no collation, for one."""
    written: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True) | dict(changed)
    try:
        IndexSpec.model_validate({name: value for name, value in written.items() if value is not None})
    except ValidationError:
        return False
    return True


def _fix(changed: Mapping[str, Any]) -> str | None:
    if not changed:
        return None
    kept = {name: value for name, value in changed.items() if value is not None}
    removed = [f"# remove {name}\n" for name, value in changed.items() if value is None]
    return (dump_mapping(kept) if kept else "") + "".join(removed)


def _edits(text: str, spec: Part, changed: Mapping[str, Any]) -> tuple[TextEdit, ...]:
    return tuple(TextEdit(**dataclasses.asdict(edit)) for edit in edits_of(text, spec, changed))


def _add_problem(tally: LintFindings, source: Source, problem: Problem) -> None:
    rule, message = UNREADABLE, problem.message
    changed: dict[str, Any] = {}
    at = problem.location[-1] if problem.location else None
    if problem.location[:1] == ("kinds",) and problem.entry is not None:
        rule = LINT_RULES["TX133"]
    elif at == "name" and isinstance(problem.value, str) and not fits(problem.value):
        rule = LINT_RULES["TX135" if problem.section == StatisticsSpec.section else "TX114"]
        message = (
            f"the name has {len(problem.value.encode())} bytes; PostgreSQL cuts it to {MOST_BYTES}, where two may meet"
        )
    elif problem.location[:1] == ("keys",) and isinstance(problem.value, str) and problem.entry is not None:
        key = looks_like_expression(problem.value)
        if key is not None:
            rule = LINT_RULES["TX104"]
            message = f"{shortened(problem.value, MOST_SHOWN)!r} is an expression, but a plain string is a column name"
            keys = [{"expression": k} if k == problem.value else k for k in problem.entry["keys"]]
            changed = {"keys": keys}
    name = str(problem.entry.get("name", "")) if problem.entry is not None else ""
    schema = source.table.rpartition(".")[0]
    is_name = bool(name) and "\0" not in name
    shown = f"{schema}.{ident(name)}" if is_name and schema else source.table or source.path.name
    place = ".".join(str(step) for step in problem.location)
    finding = SpecFinding(
        code=rule.code, severity=rule.severity, rule=rule.name, object=shown, message=message,
        file=source.path.as_posix(), line=problem.line, fix=_fix(changed),
        edits=_edits(source.text, problem.part, changed) if problem.part is not None else (), fingerprint="",
    )  # fmt: skip
    tally.found.append(
        Found(
            finding=finding,
            identity=(source.table or source.path.name, shown, place),
            place=(source.path, problem.line),
        )
    )


def _add_twice(tally: LintFindings, subjects: Sequence[AnySubject]) -> None:
    first: dict[tuple[type, str, str], Entry[Spec]] = {}
    for subject in subjects:
        tally.examined[DECLARED_TWICE.code] += 1
        key = (type(subject), subject.definition.schema, subject.definition.name)
        other = first.setdefault(key, subject.entry)
        if other is not subject.entry:
            where = f"{other.declared.file.as_posix()}:{other.line(('name',))}"
            hit = Violation(message=f"{subject.definition.qualified_name} is already declared at {where}", at=("name",))
            tally.found.append(_finding(subject, DECLARED_TWICE, hit))


def _add_models(
    tally: LintFindings, subjects: Sequence[Subject], models: Sequence[IndexDef] | None, build: Canonical | None
) -> None:
    for subject in subjects:
        if models is None:
            _skip(tally, subject, DECLARED_IN_MODEL, "no model specified; use --metadata module:attribute")
            continue
        tally.examined[DECLARED_IN_MODEL.code] += 1
        other = _of_model(subject, models, build)
        if other is not None:
            hit = Violation(
                message=f"{subject.index.qualified_name} is also declared in the SQLAlchemy model"
                + ("" if other.name == subject.index.name else f", there as {other.name}"),
                at=("name",),
                rewrite="keep it in one place: remove the Index() of the model, or the spec",
            )
            tally.found.append(_finding(subject, DECLARED_IN_MODEL, hit))


def _of_model(subject: Subject, models: Sequence[IndexDef], build: Canonical | None) -> IndexDef | None:
    """Find the index of a model that has the name of a declared one, or its definition as far as that is known."""
    own = subject.index
    if subject.spec.state == "rejected":
        return None
    named = next((each for each in models if (each.schema, each.name) == (own.schema, own.name)), None)
    if named is not None or not _wanted(subject):
        return named
    exact = build if isinstance(subject.built, IndexDef) else None
    others = (each for each in models if (each.schema, each.table) == (own.schema, own.table) and each.keys)
    wanted = own if exact is None else subject.built
    return next((each for each in others if (each if exact is None else _built(each, exact)) == wanted), None)
