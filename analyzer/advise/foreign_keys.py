"""Find the foreign keys without an index, and what deletes and key updates of the referenced tables weigh."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Constraint, Index, Relation
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.lex import IncompleteError, Token, closing, lex, significant
from analyzer.workload.shapes import Shape, TableShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A foreign key without an index, and the statements that look for its rows, with their weights."""

    relation: Relation
    constraint: Constraint
    weights: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def index(self) -> IndexDef:
        """Return the index that it lacks."""
        return IndexDef(
            schema=self.relation.schema_name,
            table=self.relation.name,
            name="",
            keys=tuple(Key(column=column) for column in self.constraint.columns),
        )

    @property
    def reason(self) -> str:
        """Say what the index is for."""
        parent = self.constraint.referenced_table
        return f"foreign key {self.constraint.name}: deleting or changing a row of {parent} looks for its rows here"


def uncovered_foreign_keys(shapes: Sequence[Shape], catalog: Catalog) -> tuple[Uncovered, ...]:
    """Return the foreign keys without an index that a delete or key update meets, by itself or a cascade."""
    found: dict[tuple[tuple[str, str], str], Uncovered] = {}
    for shape in shapes:
        for table in shape.tables:
            for relation, constraint in _met(table, catalog):
                if relation.kind not in "rp" or relation.partition_bound is not None:
                    continue
                if not is_covered(relation, constraint, catalog):
                    key = (relation.full_name, constraint.name)
                    each = found.setdefault(key, Uncovered(relation=relation, constraint=constraint))
                    each.weights[shape.statement_id] = shape.weight
    return tuple(found[key] for key in sorted(found))


def _met(table: TableShape, catalog: Catalog) -> Iterator[tuple[Relation, Constraint]]:
    """Yield the foreign keys whose rows a statement's write of a referenced table looks for."""
    if table.target in ("update", "merge"):
        written = set(table.written)
        for relation, constraint in catalog.referencing(table.schema, table.table):
            if written & set(constraint.referenced_columns):
                yield relation, constraint
    elif table.target == "delete":
        seen, pending = set[tuple[str, str]](), [(table.schema, table.table)]
        while pending:
            deleted = pending.pop()
            if deleted in seen:
                continue
            seen.add(deleted)
            for relation, constraint in catalog.referencing(*deleted):
                yield relation, constraint
                if constraint.on_delete == "c":
                    pending.append(relation.full_name)


def is_covered(relation: Relation, constraint: Constraint, catalog: Catalog) -> bool:
    """Say whether an index finds the rows of a foreign key of a table; of a partitioned one, in each partition."""
    if covers_foreign_key(constraint, catalog.indexes(relation)):
        return True
    leaves = [each for each in catalog.partitions(relation) if each.kind != "p"]
    return bool(leaves) and all(covers_foreign_key(constraint, catalog.indexes(each)) for each in leaves)


def covers_foreign_key(constraint: Constraint, indexes: Iterable[Index]) -> bool:
    """Say whether an index finds the rows of a foreign key, in whatever order its columns stand.

    The look-up compares in the collation of the column: an index in another one does not serve it.
    """
    columns = set(constraint.columns)
    for index in indexes:
        definition = index.definition
        leading = {key.column for key in definition.keys[: len(columns)] if key.collation is None}
        equal = definition.method == "btree" or (definition.method == "hash" and len(columns) == 1)
        if index.valid and index.ready and equal and leading == columns and _is_not_null(definition.where, columns):
            return True
    return False


def _is_not_null(where: str | None, columns: set[str]) -> bool:
    """Say whether a foreign key's own look-up implies a predicate: nothing but IS NOT NULL of its columns."""
    if where is None:
        return True
    try:
        return _is_implied(significant(lex(where)), columns)
    except IncompleteError:
        return False


def _is_implied(tokens: Sequence[Token], columns: set[str]) -> bool:
    """Say the same of the tokens of a condition."""
    while tokens and tokens[0].text == "(" and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    parts = _operands(tokens)
    if len(parts) > 1:
        return all(_is_implied(each, columns) for each in parts)
    return bool(tokens) and tokens[0].name in columns and [each.word for each in tokens[1:]] == ["is", "not", "null"]


def _operands(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Return what the ANDs outside of brackets join."""
    found, start, position = list[Sequence[Token]](), 0, 0
    while position < len(tokens):
        if tokens[position].text == "(":
            position = closing(tokens, position)
        elif tokens[position].word == "and":
            found.append(tokens[start:position])
            start = position + 1
        position += 1
    return [*found, tokens[start:]]
