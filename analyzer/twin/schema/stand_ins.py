"""Stand-ins for what the twin's installation lacks, so that all else can still be planned.

None of them changes a plan unseen: a type stand-in has no operator, so what compares its values is refused; a function
stand-in raises when the planner would run it; each is reported.
"""

import re
from collections.abc import Collection, Iterator

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection
from analyzer.documents.schema_objects import ObjectKind
from analyzer.documents.snapshot import Column, NotExamined, ObjectDef, Relation, Snapshot
from analyzer.postgres.identifiers import MOST_BYTES
from analyzer.sql import render
from analyzer.twin.schema.creations import called
from analyzer.twin.schema.missing import Flat, Lost

#: The modifier and the array brackets of a type, as format_type prints them behind its name.
_SUFFIX = re.compile(r"\([^)]*\)|\[\]")
_LANGUAGE = re.compile(r"^ LANGUAGE (?P<name>\S+)", re.MULTILINE)
_COST = re.compile(r"^ (?!SET ).*\bCOST [0-9]", re.MULTILINE)
_INEXACT = "the twin has simple in its place; estimates that depend on it are inexact"
#: What stands for an object of a kind in place of the part of its definition below, and what that means.
_REPLACED: dict[ObjectKind, tuple[str, str]] = {
    "text search dictionary": ("(TEMPLATE = pg_catalog.simple)", _INEXACT),
    "text search configuration": ("(COPY = pg_catalog.simple)", _INEXACT),
    "cast": ("WITH INOUT", "the twin converts as text in its place; estimates that depend on it are inexact"),
}
_DEFINED: dict[ObjectKind, re.Pattern[str]] = {
    "text search dictionary": re.compile(r"\(TEMPLATE = .*\)\Z", re.DOTALL),
    "text search configuration": re.compile(r"\(PARSER = .*\)\Z", re.DOTALL),
    "cast": re.compile(r"WITH FUNCTION .*\)(?= AS |\Z)|WITHOUT FUNCTION", re.DOTALL),
}
#: Where the body of a function begins, as pg_get_functiondef prints it.
_BODY = re.compile(r"^AS ", re.MULTILINE)


def stub(connection: Connection, snapshot: Snapshot, failed: Collection[str]) -> tuple[Snapshot, Flat]:
    """Create stand-ins for types and collations that the failed objects lack; return the snapshot that has them.

    The connection is a superuser's. `failed` are names as NotExamined carries them.
    """
    relations = [relation for relation in snapshot.relations if called(relation) in failed]
    missing = _missing_types(connection, snapshot, relations)
    lengths = {(each.schema_name, each.name): each.bytes for each in snapshot.type_lengths}
    notes: list[NotExamined] = []
    lost: list[Lost] = []
    for number, (name, parts) in enumerate(sorted(missing.items()), _taken(connection)):
        note = _stub_type(connection, name, parts, number, lengths.get(parts))
        notes.append(note)
        lost.append(Lost(what=note.what, root=note.what, reason=note.reason, names=frozenset({parts[1]})))
    collations = {column.collation for relation in relations for column in relation.columns if column.collation}
    collations |= {each.identity for each in snapshot.objects if each.kind == "collation" and called(each) in failed}
    for name in sorted(collations):
        for row in _unless_it_fails(connection, "twin/missing_collations", name):
            notes += _stub_collation(connection, name, row["name"])
    fitted = tuple(
        relation.model_copy(update={"columns": tuple(_fitted(column, missing) for column in relation.columns)})
        if called(relation) in failed
        else relation
        for relation in snapshot.relations
    )
    return snapshot.model_copy(update={"relations": fitted}), Flat(not_examined=tuple(notes), lost=tuple(lost))


def redefine(_: Connection, snapshot: Snapshot, failed: Collection[str]) -> tuple[Snapshot, Flat]:
    """Give the failed functions, text search objects and casts definitions that every installation can create."""
    functions = tuple(
        each.model_copy(update={"definition": _without_body(each.definition)}) if called(each) in failed else each
        for each in snapshot.functions
    )
    objects = tuple(_replaced(each) if called(each) in failed else each for each in snapshot.objects)
    notes = [
        NotExamined(
            what=called(each),
            reason=f"the twin cannot create its body ({each.language}); statements for which the planner runs it are "
            "rejected",
        )
        for each, before in zip(functions, snapshot.functions, strict=True)
        if each is not before
    ]
    notes += [
        NotExamined(what=called(each), reason=_REPLACED[each.kind][1])
        for each, before in zip(objects, snapshot.objects, strict=True)
        if each is not before
    ]
    fitted = snapshot.model_copy(update={"functions": functions, "objects": objects})
    return fitted, Flat(not_examined=tuple(notes))


def simplify(_: Connection, snapshot: Snapshot, failed: Collection[str]) -> tuple[Snapshot, Flat]:
    """Leave out of the failed tables what they can be planned without; return what remains, and what that is."""
    relations = tuple(_adapted(relation) if called(relation) in failed else relation for relation in snapshot.relations)
    notes = tuple(_simplified(each) for each in snapshot.relations if called(each) in failed and _is_simplified(each))
    return snapshot.model_copy(update={"relations": relations}), Flat(not_examined=notes)


def _missing_types(connection: Connection, snapshot: Snapshot, relations: list[Relation]) -> dict[str, tuple[str, str]]:
    """Return the parts of the names of types that the twin lacks, by their printed form."""
    own = [attribute for each in snapshot.types for _, attribute in each.attributes]
    own += [each.base_type for each in snapshot.types if each.base_type is not None]
    used = {_SUFFIX.sub("", column.type) for relation in relations for column in relation.columns}
    used |= {_SUFFIX.sub("", name) for name in own}
    # A table's row type comes with the table; a stand-in would be in its way.
    captured = {(each.schema_name, each.name) for each in (*snapshot.types, *snapshot.relations)}
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


def _stub_type(
    connection: Connection, name: str, parts: tuple[str, str], number: int, length: int | None
) -> NotExamined:
    fixed = length if length is not None and length <= MOST_BYTES + 1 else None
    for step in ("shell", "input", "output", "base"):
        try:
            connection.execute(render("twin/stub_type", step=step, name=parts, number=number, length=fixed))
        except psycopg.Error as error:
            return NotExamined(what=f"type {name}", reason=f"the twin cannot create it: {error.diag.message_primary}")
    reason = "the twin has a stand-in without operators; statements that compare or compute its values are rejected"
    if fixed != length:
        reason += f"; rows of tables without statistics are estimated as if it had no fixed length of {length} bytes"
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
    properties = definition[language.end() : body.start()]
    # pg_get_functiondef leaves out the cost that is usual in a language: 1 in these, 100 in others.
    cost = " COST 1" if language["name"] in {"c", "internal"} and not _COST.search(properties) else ""
    header = f"{definition[: language.start()]} LANGUAGE plpgsql{cost}{properties}"
    raising = f"the twin has no body of this function ({language['name']})"
    return f"{header}AS $twindex$ BEGIN RAISE EXCEPTION '{raising}'; END $twindex$"


def _replaced(item: ObjectDef) -> ObjectDef:
    """Define an object of a text search, or a cast, by what every installation has."""
    if item.kind not in _REPLACED:
        return item
    text, more = item.definition[0], _REPLACED[item.kind][0]
    return item.model_copy(update={"definition": (_DEFINED[item.kind].sub(more, text, count=1),)})


def _fitted(column: Column, missing: Collection[str]) -> Column:
    """Take the modifier off a type that has a stand-in."""
    name = _SUFFIX.sub("", column.type)
    if name not in missing:
        return column
    return column.model_copy(update={"type": name + "[]" * column.type.count("[]")})


def _adapted(relation: Relation) -> Relation:
    """Leave out what a table can be planned without: defaults, how columns are generated, what filled a view."""
    columns = tuple(column.model_copy(update={"default": None, "generated": ""}) for column in relation.columns)
    kind = "r" if relation.kind == "m" else relation.kind
    return relation.model_copy(
        update={"columns": columns, "kind": kind, "definition": None if kind == "r" else relation.definition}
    )


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
