"""TX113 and TX114: the table, its columns and the index's name."""

from collections.abc import Iterator

from analyzer.checks.rule import NEEDS_TABLE, Answer, Known, Rule, Subject, Violation
from analyzer.documents.snapshot import Relation
from analyzer.objects.definition import Definition
from analyzer.postgres.columns import SYSTEM_COLUMNS
from analyzer.postgres.identifiers import MOST_KEYS

_SYSTEM_SCHEMAS = frozenset({"pg_catalog", "pg_toast"})


def _columns(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    number = len(index.keys) + len(index.include)
    if number > MOST_KEYS:
        yield Violation(message=f"{number} columns including INCLUDE; the maximum is {MOST_KEYS}", at=("keys",))
    if index.schema in _SYSTEM_SCHEMAS:
        yield Violation(message=f"{index.schema} is a system schema, whose tables cannot be indexed")
    for position, key in enumerate(index.keys):
        if key.column in SYSTEM_COLUMNS:
            yield Violation(message=f"{key.column} is a system column, which cannot be indexed", at=("keys", position))
    if subject.known is None:
        yield NEEDS_TABLE
        return
    yield from _existing(subject)


def similar_column(relation: Relation, name: str) -> str | None:
    """Say which column has the name in another case; None if none has."""
    near = next((each.name for each in relation.columns if each.name.lower() == name.lower()), None)
    return f"the column is called {near}" if near else None


def _existing(subject: Subject) -> Iterator[Violation]:
    relation = subject.relation
    table = subject.index.qualified_table
    if relation is None:
        yield Violation(message=f"table {table} does not exist", rewrite="create it first, or fix the name")
        return
    if relation.kind in "vf":
        kind = "view" if relation.kind == "v" else "foreign table"
        message = f"{table} is a {kind}, which cannot be indexed"
        yield Violation(message=message, rewrite="index its tables, or make it a materialised view")
        return
    names = [(("keys", n), key.column) for n, key in enumerate(subject.index.keys)]
    names += [(("include", n), name) for n, name in enumerate(subject.index.include)]
    for at, name in names:
        if name is not None and name not in SYSTEM_COLUMNS and relation.column(name) is None:
            rewrite = similar_column(relation, name) or "fix the name, or write {expression: …}"
            yield Violation(message=f"{table} has no column {name}", at=at, rewrite=rewrite)


def unqualified(definition: Definition, known: Known | None) -> str | None:
    """Return a name without the schema that it begins with; None for any other name, which may contain a dot."""
    schema, dot, name = definition.name.partition(".")
    schemas = {definition.schema, *(known.catalog.snapshot.schemas if known is not None else ())}
    return name if dot and name and schema in schemas else None


def _name(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if subject.existing is None and (short := unqualified(index, subject.known)) is not None:
        message = f"the name {index.name} is schema-qualified; an index is always in the schema of its table"
        yield Violation(message=message, at=("name",), rewrite=f"name: {short}", fix=index.renamed(short))
    if subject.known is None:
        yield NEEDS_TABLE
        return
    taken = subject.known.catalog.relations.get((index.schema, index.name))
    if taken is not None:
        yield Violation(message=f"{index.qualified_name} is already the name of a table or view", at=("name",))
    found = subject.existing
    if found is not None and found.definition.table != index.table:
        message = f"{index.qualified_name} is the name of an index on {found.definition.qualified_table} already"
        yield Violation(message=message, at=("name",), rewrite="choose another name")


RULES = (
    Rule(
        code="TX113", name="invalid-column", aliases=("columns",), severity="error",
        title="missing or unindexable table or column, or more than 32 columns",
        sqlstates=("42703", "0A000", "54011", "42P01", "3F000", "42809", "42501"),
        check=_columns, decided_by_server=True,
    ),
    Rule(
        code="TX114", name="invalid-index-name", aliases=("index-name",), severity="error",
        title="index name is too long, qualified, or taken",
        sqlstates=("42601", "42622", "42P07"), check=_name,
    ),
)  # fmt: skip
