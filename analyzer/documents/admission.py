"""Let into a snapshot what its records allow, item by item: one that is out of bounds costs itself, not the file.

What depends on such an item goes with it, and both are named. An index or row security that cannot be read excludes its
table: the planner would answer as though it were not there.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from pydantic import ValidationError

from analyzer.documents.activity import ActivitySampling, SampledStatement
from analyzer.documents.bounded_file import written
from analyzer.documents.described import Index, Relation, RowSecurity, Tablespace
from analyzer.documents.measured import (
    ColumnStatistics,
    ExtendedStatistics,
    Extreme,
    MergedSnapshot,
    Sample,
    ServerCounters,
    StatementCounters,
)
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import ServerPlan
from analyzer.documents.record import Record
from analyzer.documents.schema_objects import Extension, FunctionDef, ObjectDef, SequenceDef, TypeDef
from analyzer.documents.server_log import LogEvent, LogFile, LoggedStatement
from analyzer.postgres.identifiers import QualifiedName

R = TypeVar("R", bound=Record)

#: Kinds of items a snapshot lists: the record that each is.
_KINDS: Final[Mapping[str, type[Record]]] = {
    "extensions": Extension,
    "types": TypeDef,
    "functions": FunctionDef,
    "objects": ObjectDef,
    "relations": Relation,
    "indexes": Index,
    "statistics": ColumnStatistics,
    "extended_statistics": ExtendedStatistics,
    "extremes": Extreme,
    "sequences": SequenceDef,
    "row_security": RowSecurity,
    "tablespaces": Tablespace,
    "samples": Sample,
    "statements": StatementCounters,
    "servers": ServerCounters,
    "log_files": LogFile,
    "log_statements": LoggedStatement,
    "log_events": LogEvent,
    "plans": ServerPlan,
    "log_plans": ServerPlan,
    "activity_samplings": ActivitySampling,
    "sampled_statements": SampledStatement,
    "qualstats_statements": LoggedStatement,
    "merged": MergedSnapshot,
    "not_examined": NotExamined,
}
#: How many items of one kind are named one by one.
_NAMED = 50


@dataclass(slots=True)
class _Gaps:
    """What is left out, by kind: the first ones with their names."""

    named: dict[str, list[NotExamined]] = field(default_factory=dict[str, list[NotExamined]])
    more: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, kind: str, what: str, reason: str) -> None:
        listed = self.named.setdefault(kind, [])
        if len(listed) < _NAMED:
            listed.append(NotExamined(what=what, reason=reason))
        else:
            self.more[kind] = self.more.get(kind, 0) + 1

    def all(self) -> Iterator[NotExamined]:
        for kind, listed in self.named.items():
            yield from listed
            if kind in self.more:
                yield NotExamined(what=f"{self.more[kind]} more of the snapshot's {kind}", reason="as those before")


def admitted(document: Mapping[str, object]) -> dict[str, object]:
    """Return a snapshot's document with its items as records, those that are out of bounds named in `not_examined`."""
    gaps = _Gaps()
    lost: dict[QualifiedName, str] = {}
    parts: dict[str, list[Record]] = {}
    for kind, model in _KINDS.items():
        listed = document.get(kind)
        if isinstance(listed, list):
            parts[kind] = list(_items(kind, model, cast("list[object]", listed), gaps, lost))
    if "relations" in parts and "indexes" in parts:
        _drop_dependents(parts, gaps, lost)
    if found := list(gaps.all()):
        parts.setdefault("not_examined", []).extend(found)
    return {**document, **{kind: tuple(items) for kind, items in parts.items()}}


def _items(
    kind: str, model: type[R], listed: Sequence[object], gaps: _Gaps, lost: dict[QualifiedName, str]
) -> Iterator[R]:
    seen: set[Hashable] = set()
    for place, raw in enumerate(listed):
        where = f"{kind}[{place}]"
        try:
            item = model.model_validate(raw, extra="forbid")
        except ValidationError as error:
            reason = breach(error, where)
            if kind in ("relations", "indexes", "row_security") and (table := _table(raw)) is not None:
                lost.setdefault(table, f"{where} belongs to it and is omitted")
        else:
            identity = _identity(item)
            if identity is None or identity not in seen:
                seen.add(identity)
                yield item
                continue
            reason = f"{where} occurs twice"
        gaps.add(kind, f"{where} of the snapshot{_name(raw)}", reason)


def _identity(item: Record) -> Hashable:  # noqa: PLR0911 - one return a kind
    match item:
        case Extension() | ServerCounters() | Tablespace():
            return item.name
        case TypeDef() | Relation() | ExtendedStatistics():
            return item.schema_name, item.name
        case FunctionDef():
            return item.schema_name, item.name, item.arguments
        case ObjectDef():
            return item.kind, item.identity
        case Index():
            return item.definition.full_name
        case ColumnStatistics():
            return item.schema_name, item.relation, item.column, item.inherited
        case Extreme():
            return item.schema_name, item.table, item.column
        case RowSecurity() | Sample():
            return QualifiedName(item.schema_name, item.table)
        case _:
            return None


def _table(raw: object) -> QualifiedName | None:
    """Return the table that a record which cannot be read names, if it does."""
    fields = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
    inner = fields.get("definition", fields)
    named = cast("dict[str, object]", inner) if isinstance(inner, dict) else fields
    schema, table = named.get("schema", named.get("schema_name")), named.get("table", named.get("name"))
    return QualifiedName(schema, table) if isinstance(schema, str) and isinstance(table, str) else None


def _name(raw: object) -> str:
    fields = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
    name = fields.get("name", fields.get("relation", fields.get("table", fields.get("queryid"))))
    return f" ({written(name)})" if isinstance(name, str) else ""


# What depends on what


def _drop_dependents(parts: dict[str, list[Record]], gaps: _Gaps, lost: dict[QualifiedName, str]) -> None:
    """Leave out the tables that cannot be built as they were, and all that belongs to them."""
    relations = {each.full_name: each for each in cast("list[Relation]", parts["relations"])}
    for index in cast("list[Index]", parts["indexes"]):
        table = index.definition.full_table
        if table in relations and (reason := _misfit(index, relations[table])):
            lost.setdefault(table, reason)
    for table, relation in relations.items():
        if reason := _contradiction(relation):
            lost.setdefault(table, reason)
    _lose_heirs(relations, lost)
    for table in lost.keys() & relations.keys():
        gaps.add("relations", f"table {'.'.join(map(written, table))}", lost[table])
    kept = {table: relation for table, relation in relations.items() if table not in lost}
    parts["relations"] = list(kept.values())
    gone = set(lost)
    for kind in ("indexes", "statistics", "extended_statistics", "extremes", "row_security", "samples"):
        if kind in parts:
            found = [each for each in parts[kind] if _owner(each) not in gone]
            gone |= {
                each.definition.full_name for each in parts[kind] if isinstance(each, Index) and _owner(each) in gone
            }
            parts[kind] = found


def _owner(item: Record) -> QualifiedName | None:
    match item:
        case Index():
            return item.definition.full_table
        case ColumnStatistics():
            return QualifiedName(item.schema_name, item.relation)
        case ExtendedStatistics():
            return QualifiedName(item.table_schema, item.table)
        case Extreme() | RowSecurity() | Sample():
            return QualifiedName(item.schema_name, item.table)
        case _:
            return None


def _misfit(index: Index, relation: Relation) -> str | None:
    names = (*index.definition.columns, *index.definition.include)
    missing = next((name for name in names if relation.column(name) is None), None)
    return missing and f"its index {written(index.definition.name)} is over {written(missing)}, which it does not have"


def _contradiction(relation: Relation) -> str | None:
    """Say what no table can be: two columns of one name, or a constraint over a column that is not there."""
    if len(relation.columns_by_name) < len(relation.columns):
        return "two of its columns have one name"
    named = (name for constraint in relation.constraints for name in constraint.columns)
    missing = next((name for name in named if relation.column(name) is None), None)
    return missing and f"a constraint is over {written(missing)}, which it does not have"


def _lose_heirs(relations: Mapping[QualifiedName, Relation], lost: dict[QualifiedName, str]) -> None:
    """Lose what inherits from a lost table, and what inherits from itself."""
    waiting = {table: {p for p in each.parents if p in relations} for table, each in relations.items()}
    heirs: dict[QualifiedName, list[QualifiedName]] = {}
    for table, parents in waiting.items():
        for parent in parents:
            heirs.setdefault(QualifiedName(*parent), []).append(table)
    ready = [table for table, parents in waiting.items() if not parents]
    while ready:
        parent = ready.pop()
        for heir in heirs.get(parent, ()):
            waiting[heir].discard(parent)
            if parent in lost:
                lost.setdefault(heir, f"it inherits from {'.'.join(map(written, parent))}, which is omitted")
            if not waiting[heir]:
                ready.append(heir)
    for table, parents in waiting.items():
        if parents:
            lost.setdefault(table, "it inherits from itself")


def breach(error: ValidationError, where: str = "", *, joined: str = " ") -> str:
    """Say in one line which bound the first value that is out of bounds breaks."""
    first = error.errors(include_url=False)[0]
    path = where
    for part in first["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{_field(part)}"
    bounds = first.get("ctx", {})
    match first["type"]:
        case "missing":
            said = "is missing"
        case "extra_forbidden":
            said = "is not known"
        case "greater_than_equal" | "too_short" | "string_too_short":
            said = f"is out of range (at least {bounds.get('ge', bounds.get('min_length'))})"
        case "less_than_equal" | "too_long" | "string_too_long":
            said = f"is out of range (at most {bounds.get('le', bounds.get('max_length'))})"
        case "finite_number" | "int_parsing_size" | "int_from_float":
            said = "is out of range"
        case _:
            said = f"cannot be read: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return f"{path.lstrip('.')}{joined}{said}"


def _field(name: str) -> str:
    return name if name.isidentifier() and name.isascii() and len(name) <= _LONGEST_FIELD else written(name)


_LONGEST_FIELD = 40
