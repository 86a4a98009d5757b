"""Remove every constant from a snapshot captured with --no-values.

No value of a row was read. What is left are constants that people wrote into the schema. Where the planner can do
without, they go; where it cannot (it compares index predicates and partition bounds), they stay and are named.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from analyzer.capture.constants import constants_in, has_constants, is_silent, with_unknowns, without_constants
from analyzer.documents.snapshot import (
    Column,
    FunctionDef,
    NotExamined,
    Policy,
    Relation,
    RowSecurity,
    Snapshot,
    TypeDef,
)
from analyzer.postgres.lex import IncompleteError
from analyzer.sql import ident

#: How many objects one entry names.
_NAMED = 20


def without_values(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without the constants of its definitions; those that remain are listed in it."""
    kept = list(_kept(snapshot))
    used = frozenset(constant for _, _, text in kept for constant in constants_in(text))
    stripped = snapshot.model_copy(
        update={
            "values": False,
            "types": tuple(_type(each, used) for each in snapshot.types),
            "functions": tuple(left for each in snapshot.functions if (left := _function(each)) is not None),
            "relations": tuple(_relation(each) for each in snapshot.relations),
            "indexes": tuple(index.model_copy(update={"comment": None}) for index in snapshot.indexes),
            "row_security": tuple(_row_security(each) for each in snapshot.row_security),
            "extremes": (),
            "samples": (),
            "servers": tuple(
                each.model_copy(update={"name": f"replica {number}" if number else "primary"})
                for number, each in enumerate(snapshot.servers)
            ),
        }
    )
    gaps = (*_lost(snapshot, stripped), *_named(kept))
    return stripped.model_copy(update={"not_examined": (*snapshot.not_examined, *gaps)})


def _kept(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and text of what must keep its constants."""
    for index in snapshot.indexes:
        keys = [key.expression for key in index.definition.keys]
        for text in (*keys, index.definition.where):
            if text is not None and has_constants(text):
                yield "index keys and predicates", index.definition.qualified_name, text
    for relation in snapshot.relations:
        name = ident(relation.schema_name, relation.name)
        bounds = (relation.partition_key, relation.partition_bound)
        virtual = (column.default for column in relation.columns if column.generated == "v")
        yield from (("partition keys and bounds", name, text) for text in bounds if text and has_constants(text))
        yield from (("virtual columns", name, text) for text in virtual if text and has_constants(text))
    for statistics in snapshot.extended_statistics:
        for text in statistics.expressions:
            if has_constants(text):
                yield "extended statistics", ident(statistics.schema_name, statistics.name), text


def _named(kept: Iterable[tuple[str, str, str]]) -> Iterator[NotExamined]:
    names: dict[str, set[str]] = {}
    for kind, name, _ in kept:
        names.setdefault(kind, set()).add(name)
    for kind, found in sorted(names.items()):
        shown = sorted(found)[:_NAMED]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        reason = f"they are still in the snapshot, because the planner compares them: {', '.join(shown)}{more}"
        yield NotExamined(what=f"constants in {kind}", reason=reason)


def _lost(before: Snapshot, after: Snapshot) -> Iterator[NotExamined]:
    """List what was done to definitions, counted by kind."""
    kinds = {"v": "views", "m": "materialised views", "r": "tables", "p": "tables", "f": "tables"}
    changed: Counter[str] = Counter()
    for old, new in zip(before.relations, after.relations, strict=True):
        changed[kinds[old.kind]] += old != new
    changed["types"] += sum(old != new for old, new in zip(before.types, after.types, strict=True))
    functions = {_key(each): each for each in after.functions}
    changed["functions"] += sum(functions.get(_key(old), old) != old for old in before.functions)
    changed["policies"] += sum(old != new for old, new in zip(before.row_security, after.row_security, strict=True))
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(changed.items()) if count)
    if found:
        reason = (
            "excluded with the values: defaults and checks with constants are omitted, views and policies compare "
            "with unknown values, functions have no body"
        )
        yield NotExamined(what=f"constants in the definitions of {found}", reason=reason)
    for lost in (each for each in before.functions if _key(each) not in functions):
        name = f"{ident(lost.schema_name, lost.name)}({lost.arguments})"
        reason = "its definition cannot be split into tokens, so its constants cannot be removed"
        yield NotExamined(what=f"function {name}", reason=reason)


def _key(function: FunctionDef) -> tuple[str, str, str]:
    return function.schema_name, function.name, function.arguments


def _type(type_def: TypeDef, used: frozenset[str]) -> TypeDef:
    """Number the labels of an enum, but for those that something kept mentions; drop what a domain checks."""
    return type_def.model_copy(
        update={
            "labels": tuple(
                label if any(_mentions(constant, label) for constant in used) else f"label {number}"
                for number, label in enumerate(type_def.labels, 1)
            ),
            "default": None if has_constants(type_def.default) else type_def.default,
            "checks": tuple(check for check in type_def.checks if not has_constants(check[1])),
        }
    )


def _mentions(constant: str, label: str) -> bool:
    """Tell whether a constant is the label, or an array that contains it."""
    escaped = re.escape(label.replace("'", "''"))
    return re.search(rf"""(?<=['"{{,]){escaped}(?=['"}},])""", constant) is not None


def _function(function: FunctionDef) -> FunctionDef | None:
    """Keep an SQL function, which may be inlined, if it has no constant; no other body is ever planned.

    None for a function whose definition cannot be read.
    """
    if function.language == "sql" and is_silent(function.definition):
        return function
    try:
        return function.model_copy(update={"definition": without_constants(function.definition)})
    except IncompleteError:
        return None


def _relation(relation: Relation) -> Relation:
    return relation.model_copy(
        update={
            "columns": tuple(_column(column) for column in relation.columns),
            "constraints": tuple(c for c in relation.constraints if c.kind != "c" or not has_constants(c.definition)),
            "definition": _definition(relation),
        }
    )


def _column(column: Column) -> Column:
    """Drop a default with constants; a stored column is one like any other to the planner."""
    default = column.default or ""
    is_sequence = default.startswith("nextval('") and default.count("'") == 2
    if column.generated == "v" or is_sequence or not has_constants(column.default):
        return column
    return column.model_copy(update={"default": None, "generated": ""})


def _definition(relation: Relation) -> str | None:
    if relation.definition is None or not has_constants(relation.definition):
        return relation.definition
    if relation.kind == "v" and (definition := with_unknowns(relation.definition)) is not None:
        return definition
    # A materialised view is a table to the planner: what fills it does not matter.
    columns = (
        f"NULL::{column.type}{f' COLLATE {column.collation}' if column.collation else ''} AS {ident(column.name)}"
        for column in relation.columns
    )
    return f"SELECT {', '.join(columns)}"


def _row_security(security: RowSecurity) -> RowSecurity:
    return security.model_copy(update={"policies": tuple(_policy(policy) for policy in security.policies)})


def _policy(policy: Policy) -> Policy:
    using = with_unknowns(policy.using) if policy.using is not None else None
    check = with_unknowns(policy.check) if policy.check is not None else None
    return policy.model_copy(
        update={
            "using": "false" if policy.using is not None and using is None else using,
            "check": "false" if policy.check is not None and check is None else check,
        }
    )
