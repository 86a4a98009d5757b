"""Resolve names to tables: the catalog, the scopes of a statement, and the look-up of columns in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from analyzer.documents.snapshot import Relation

Target = Literal["insert", "update", "delete", "merge"]


@dataclass(slots=True, eq=False)
class Occurrence:
    """One mention of a table; a self-join has two."""

    relation: Relation
    alias: str
    #: What the statement does to it, when it is what is written.
    target: Target | None = None
    #: Columns read so far.
    reads: set[str] = field(default_factory=set[str])
    #: The whole row is needed: `*`, FOR UPDATE, the target of an UPDATE or DELETE.
    whole: bool = False
    written: set[str] = field(default_factory=set[str])
    #: Names given by the alias list: `t(a, b)`.
    renamed: dict[str, str] = field(default_factory=dict[str, str])

    def column(self, name: str) -> str | None:
        """Return the table's own name of a column, if it has it."""
        actual = self.renamed.get(name, name)
        return actual if self.relation.column(actual) is not None else None


@dataclass(slots=True, eq=False)
class Derived:
    """A subquery, WITH query, view or function: its output names and where they come from."""

    alias: str
    outputs: dict[str, "tuple[Output, ...]"]
    #: It may have columns that we do not know.
    is_open: bool = False
    #: Table columns that an output stands for, as found out.
    references: dict[str, "tuple[Reference, ...]"] = field(default_factory=dict[str, "tuple[Reference, ...]"])


@dataclass(frozen=True, slots=True)
class Output:
    """An expression with the scope its names belong to."""

    scope: "Scope"
    expression: exp.Expr


@dataclass(frozen=True, slots=True)
class Reference:
    """A column of one mention of a table."""

    occurrence: Occurrence
    column: str


Source = Occurrence | Derived
Outputs = dict[str, tuple[Output, ...]]


@dataclass(slots=True, eq=False)
class Scope:
    """The names one query level can use."""

    parent: "Scope | None" = None
    sources: dict[str, Source] = field(default_factory=dict[str, Source])
    with_queries: dict[str, Derived] = field(default_factory=dict[str, Derived])
    #: By column's name: the first source that has it, and whether one that may have it ends the search.
    _found: dict[str, tuple[Source | None, bool]] = field(default_factory=dict[str, "tuple[Source | None, bool]"])
    _searched: int = 0

    def with_query(self, name: str) -> Derived | None:
        """Find a WITH query here or further out."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.with_queries:
                return scope.with_queries[name]
            scope = scope.parent
        return None

    def resolve(self, column: exp.Column) -> tuple[Reference, ...]:
        """Return the table columns a name stands for: none when it is computed or unknown, several for a UNION."""
        found = self.source_of(column)
        return () if found is None else _references(found[1], folded(column.this))

    def source_of(self, column: exp.Column) -> "tuple[Scope, Source] | None":
        """Find the source of a column, here or further out, and the scope that has it."""
        name = folded(column.this)
        qualifier = folded(column.args.get("table"))
        scope: Scope | None = self
        while scope is not None:
            source, ends = (scope.sources.get(qualifier), False) if qualifier else scope.search(name)
            if source is not None:
                return scope, source
            if ends:
                return None
            scope = scope.parent
        return None

    def search(self, name: str) -> tuple[Source | None, bool]:
        """Find the source of a column without a qualifier, and whether there is no looking further out."""
        if self._searched != len(self.sources):  # a join has added some
            self._found.clear()
            self._searched = len(self.sources)
        if name not in self._found:
            source = next((each for each in self.sources.values() if has(each, name)), None)
            is_open = any(isinstance(each, Derived) and each.is_open for each in self.sources.values())
            self._found[name] = source, is_open
        return self._found[name]


def has(source: Source, name: str) -> bool:
    """Say whether a source is known to have a column."""
    return source.column(name) is not None if isinstance(source, Occurrence) else name in source.outputs


def names_of(source: Source) -> list[str]:
    """Return the columns of a source in order."""
    if isinstance(source, Derived):
        return list(source.outputs)
    return [column.name for column in source.relation.columns]


def _references(source: Source, name: str) -> tuple[Reference, ...]:
    if isinstance(source, Occurrence):
        column = source.column(name)
        return () if column is None else (Reference(source, column),)
    if name not in source.references:
        # Each mention of a table once: WITH queries that read one another twice would double them at every step.
        found: dict[Reference, None] = {}
        for output in source.outputs.get(name, ()):
            inner = unwrapped(output.expression)
            if isinstance(inner, exp.Column):
                found |= dict.fromkeys(output.scope.resolve(inner))
            else:
                mark(output.scope, inner)
        source.references[name] = tuple(found)
    return source.references[name]


def folded(identifier: object) -> str:
    """Return a name as the catalog holds it: lower case unless quoted."""
    if isinstance(identifier, exp.Identifier):
        return identifier.name if identifier.args.get("quoted") else identifier.name.lower()
    return ""


def unwrapped(expression: exp.Expr) -> exp.Expr:
    """Take brackets and aliases off."""
    while isinstance(expression, exp.Paren | exp.Alias):
        expression = expression.this
    return expression


def conjuncts(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Take ANDs apart."""
    waiting = [expression]
    while waiting:  # a chain of a thousand ANDs is a thousand levels deep
        each = unwrapped(waiting.pop())
        if isinstance(each, exp.And):
            waiting += (each.right, each.left)
        else:
            yield each


def disjuncts(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Take ORs apart."""
    waiting = [expression]
    while waiting:
        each = unwrapped(waiting.pop())
        if isinstance(each, exp.Or):
            waiting += (each.right, each.left)
        else:
            yield each


def local(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the columns, parameters and subqueries of an expression, without entering a subquery."""
    waiting = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Column | exp.Query | exp.Parameter):
            yield each
        elif isinstance(each, exp.Collate):
            waiting.append(each.this)  # a collation with its schema looks like a column
        else:
            waiting += reversed(list(each.iter_expressions()))


def columns(expression: exp.Expr) -> Iterator[exp.Column]:
    """Yield the columns of an expression's own query level."""
    return (node for node in local(expression) if isinstance(node, exp.Column))


def mark(scope: Scope, expression: exp.Expr) -> None:
    """Note the columns that an expression reads."""
    for column in columns(expression):
        qualifier = folded(column.args.get("table"))
        if isinstance(column.this, exp.Star):
            _mark_star(scope, qualifier)
        elif references := scope.resolve(column):
            for reference in references:
                reference.occurrence.reads.add(reference.column)
        elif not qualifier:
            _mark_star(scope, folded(column.this))


def _mark_star(scope: Scope, qualifier: str) -> None:
    """Note a whole row: `t.*`, or `t` itself as a value; every source when there is no qualifier."""
    for alias, source in scope.sources.items():
        if alias == qualifier or not qualifier:
            if isinstance(source, Occurrence):
                source.whole = True
            else:
                for name in source.outputs:
                    for reference in _references(source, name):
                        reference.occurrence.reads.add(reference.column)


def own_column(scope: Scope, column: exp.Column) -> str | None:
    """Return the table's own name of a column, when it is of one table."""
    references = scope.resolve(column)
    return references[0].column if len(references) == 1 else None


def single_reference(scope: Scope, expression: exp.Expr) -> Reference | None:
    """Return the first column of an expression whose columns are all of one mention of a table."""
    if any(isinstance(node, exp.Query) for node in local(expression)):
        return None
    references = [scope.resolve(column) for column in columns(expression)]
    if not references or any(len(each) != 1 for each in references):
        return None
    return references[0][0] if len({id(each[0].occurrence) for each in references}) == 1 else None


def plain_column(scope: Scope, expression: exp.Expr) -> tuple[str, str, str] | None:
    """Return schema, table and name of an expression that is a plain column."""
    references = scope.resolve(expression) if isinstance(expression, exp.Column) else ()
    if len(references) != 1:
        return None
    relation = references[0].occurrence.relation
    return relation.schema_name, relation.name, references[0].column
