"""Stand-ins for what the twin's installation lacks, so that all else can still be planned.

None of them changes a plan unseen: a type stand-in has no operator, so what compares its values is refused; a function
stand-in raises when the planner would run it; each is reported.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection
from analyzer.documents.snapshot import Column, NotExamined, Relation, Snapshot
from analyzer.sql import render

#: The modifier and the array brackets of a type, as format_type prints them behind its name.
_SUFFIX = re.compile(r"\([^)]*\)|\[\]")
_LANGUAGE = re.compile(r"^ LANGUAGE (?P<name>\S+)", re.MULTILINE)
#: Where the body of a function begins, as pg_get_functiondef prints it.
_BODY = re.compile(r"^AS ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stubbed:
    """A snapshot that fits what the twin's installation has."""

    snapshot: Snapshot
    not_examined: tuple[NotExamined, ...]


def stub(connection: Connection, snapshot: Snapshot, failed: frozenset[str]) -> Stubbed:
    """Create stand-ins for what the failed objects lack; return the snapshot that makes do with them.

    The connection is a superuser's. `failed` are names as NotExamined carries them.
    """
    notes: list[NotExamined] = []
    relations = [relation for relation in snapshot.relations if called(relation) in failed]
    missing = _missing_types(connection, snapshot, relations)
    for number, (name, parts) in enumerate(sorted(missing.items()), _taken(connection)):
        notes.append(_stub_type(connection, name, parts, number))
    used = sorted({column.collation for relation in relations for column in relation.columns if column.collation})
    for name in used:
        for row in _unless_it_fails(connection, "twin/missing_collations", name):
            notes += _stub_collation(connection, name, row["name"])
    functions = tuple(
        each.model_copy(update={"definition": _without_body(each.definition)})
        if f"function {each.schema_name}.{each.name}({each.arguments})" in failed
        else each
        for each in snapshot.functions
    )
    adapted = {id(relation): _adapted(relation, missing) for relation in relations}
    notes += [_simplified(relation) for relation in relations if _is_simplified(relation)]
    notes += [
        NotExamined(
            what=f"function {each.schema_name}.{each.name}({each.arguments})",
            reason=f"the twin cannot create its body ({each.language}); statements for which the planner runs it are "
            "rejected",
        )
        for each, before in zip(functions, snapshot.functions, strict=True)
        if each is not before
    ]
    fitted = snapshot.model_copy(
        update={
            "functions": functions,
            "relations": tuple(adapted.get(id(relation), relation) for relation in snapshot.relations),
        }
    )
    return Stubbed(snapshot=fitted, not_examined=tuple(notes))


def called(relation: Relation) -> str:
    """Name a relation as NotExamined does."""
    return f"{relation.schema_name}.{relation.name}"


def _missing_types(connection: Connection, snapshot: Snapshot, relations: list[Relation]) -> dict[str, tuple[str, ...]]:
    """Return the parts of the names of types that the twin lacks, by their printed form."""
    own = [attribute for each in snapshot.types for _, attribute in each.attributes]
    own += [each.base_type for each in snapshot.types if each.base_type is not None]
    used = {_SUFFIX.sub("", column.type) for relation in relations for column in relation.columns}
    used |= {_SUFFIX.sub("", name) for name in own}
    captured = {(each.schema_name, each.name) for each in snapshot.types}
    rows = [row for name in sorted(used) for row in _unless_it_fails(connection, "twin/missing_types", name)]
    named = {row["name"]: (str(row["schema_name"]), str(row["type_name"])) for row in rows}
    return {name: parts for name, parts in named.items() if parts not in captured}


def _unless_it_fails(connection: Connection, template: str, name: str) -> list[DictRow]:
    """Look up one name; an invalid one does not affect the others."""
    try:
        return connection.execute(render(template), {"names": [name]}).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        return []


def _taken(connection: Connection) -> int:
    row = connection.execute(render("twin/count_stubs")).fetchone()
    return int(row["stubs"]) if row else 0


def _stub_type(connection: Connection, name: str, parts: tuple[str, ...], number: int) -> NotExamined:
    for step in ("shell", "input", "output", "base"):
        try:
            connection.execute(render("twin/stub_type", step=step, name=parts, number=number))
        except psycopg.Error as error:
            return NotExamined(what=f"type {name}", reason=f"the twin cannot create it: {error.diag.message_primary}")
    reason = "the twin has a stand-in without operators; statements that compare or compute its values are rejected"
    return NotExamined(what=f"type {name}", reason=reason)


def _stub_collation(connection: Connection, name: str, parts: list[str]) -> Iterator[NotExamined]:
    for locale in ("C.UTF-8", "C.utf8", "POSIX"):
        try:
            connection.execute(render("twin/stub_collation", name=parts, locale=locale))
        except psycopg.Error:
            continue
        reason = "the twin sorts by code point instead; estimates of text ranges are inexact"
        yield NotExamined(what=f"collation {name}", reason=reason)
        return


def _without_body(definition: str) -> str:
    """Replace a function by one in plpgsql that raises, keeping every property that the planner uses: volatility, "
    "cost, rows, …"""
    language = _LANGUAGE.search(definition)
    body = _BODY.search(definition, language.end() if language else 0)
    if language is None or body is None:
        return definition
    header = f"{definition[: language.start()]} LANGUAGE plpgsql{definition[language.end() : body.start()]}"
    raising = f"the twin has no body of this function ({language['name']})"
    return f"{header}AS $twindex$ BEGIN RAISE EXCEPTION '{raising}'; END $twindex$"


def _adapted(relation: Relation, missing: Collection[str]) -> Relation:
    """Leave out what a table can be planned without: defaults, how columns are generated, what filled a view."""
    columns = tuple(
        column.model_copy(update={"default": None, "generated": "", "type": _fitting(column, missing)})
        for column in relation.columns
    )
    kind = "r" if relation.kind == "m" else relation.kind
    return relation.model_copy(
        update={"columns": columns, "kind": kind, "definition": None if kind == "r" else relation.definition}
    )


def _fitting(column: Column, missing: Collection[str]) -> str:
    name = _SUFFIX.sub("", column.type)
    return name + "[]" * column.type.count("[]") if name in missing else column.type


def _is_simplified(relation: Relation) -> bool:
    return any(column.default is not None for column in relation.columns)


def _simplified(relation: Relation) -> NotExamined:
    reason = (
        "created on the twin without defaults and with plain instead of generated columns; "
        "plans that read it are not affected"
    )
    if any(column.generated == "v" for column in relation.columns):
        reason = "created on the twin without defaults; the expressions of its virtual columns appear in no plan"
    return NotExamined(what=called(relation), reason=reason)
