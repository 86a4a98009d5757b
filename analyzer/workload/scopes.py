"""Resolve a statement's names against the captured catalog, scope by scope.

The result says which table each column belongs to, through aliases, self-joins, WITH, subqueries and views, and lists
the conditions that each query level filters and joins by.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.workload.names import (
    Derived,
    Occurrence,
    Output,
    Outputs,
    Reference,
    Scope,
    Source,
    Target,
    conjuncts,
    folded,
    has,
    local,
    mark,
    names_of,
    unwrapped,
)
from analyzer.workload.tree import UnreadableError, parse

#: MaxTupleAttributeNumber: PostgreSQL refuses more in one query.
MOST_COLUMNS = 1664
#: Views that a statement reads, and those that they read: each may read another one twice.
MOST_VIEWS = 1000
#: Names of tables and columns that a statement and its views may come to.
MOST_NAMES = 500_000


@dataclass(frozen=True, slots=True)
class Equality:
    """Two expressions of different scopes that must be equal: USING, NATURAL, IN (SELECT …)."""

    left: Output
    right: Output


@dataclass(slots=True, eq=False)
class Resolved:
    """A statement with its names resolved."""

    occurrences: list[Occurrence] = field(default_factory=list[Occurrence])
    #: Conditions that must hold, ANDs taken apart.
    conditions: list[Output] = field(default_factory=list[Output])
    equalities: list[Equality] = field(default_factory=list[Equality])
    #: Every SELECT with its scope.
    selects: list[tuple[Scope, exp.Select]] = field(default_factory=list[tuple[Scope, exp.Select]])
    #: Values written to columns: SET and VALUES.
    assignments: list[tuple[Reference, exp.Expr]] = field(default_factory=list[tuple[Reference, exp.Expr]])
    #: Tables that the snapshot does not hold, as written.
    unknown: list[str] = field(default_factory=list[str])


def resolve(text: str, catalog: Catalog) -> Resolved:
    """Resolve one plannable statement; raises UnreadableError."""
    walker = _Walker(catalog)
    try:
        outputs = walker.statement(parse(text), None)
        for each in outputs.values():
            for output in each:
                mark(output.scope, output.expression)
    except RecursionError:
        raise UnreadableError("its queries are nested too deep to be read") from None
    return walker.resolved


class _Walker:
    """Walk a statement from the outside in and collect what it says."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.resolved = Resolved()
        self._spent = 0
        self._views = 0

    def _spend(self, names: int) -> None:
        """Count names looked at: what views and WITH queries make of a short text can have no end."""
        self._spent += names
        if self._spent > MOST_NAMES:
            raise UnreadableError(f"it comes to more than {MOST_NAMES:,} tables and columns with its views followed")

    def statement(  # noqa: PLR0911 - one return a kind of statement
        self, tree: exp.Expr, parent: Scope | None
    ) -> Outputs:
        """Walk a statement of any kind and return what it puts out."""
        match tree:
            case exp.Select():
                return self._select(tree, parent)
            case exp.SetOperation():
                return self._set_operation(tree, parent)
            case exp.Subquery():
                scope = self._with(tree, parent)
                return self.statement(tree.this, scope)
            case exp.Insert():
                return self._insert(tree, parent)
            case exp.Update():
                return self._update(tree, parent)
            case exp.Delete():
                return self._delete(tree, parent)
            case exp.Merge():
                return self._merge(tree, parent)
            case exp.Values():
                self._expressions(Scope(parent), tree.expressions)
                return {}
            case _:
                raise UnreadableError(f"its grammar could not be read (a {tree.key} where a query was expected)")

    # Queries

    def _with(self, tree: exp.Expr, parent: Scope | None) -> Scope:
        scope = Scope(parent)
        clause = tree.args.get("with_")
        for query in clause.expressions if isinstance(clause, exp.With) else ():
            name = folded(query.args["alias"].this)
            names = [folded(column) for column in query.args["alias"].args.get("columns") or ()]
            inner = query.this
            if isinstance(inner, exp.Union) and clause and clause.args.get("recursive"):
                left = self.statement(inner.left, scope)
                scope.with_queries[name] = Derived(name, _rename(left, names))
                self.statement(inner.right, scope)
            else:
                scope.with_queries[name] = Derived(name, _rename(self.statement(inner, scope), names))
        return scope

    def _select(self, tree: exp.Select, parent: Scope | None) -> Outputs:
        scope = self._with(tree, parent)
        self.resolved.selects.append((scope, tree))
        if isinstance(clause := tree.args.get("from_"), exp.From):
            self._source(scope, clause.this)
        self._joins(scope, tree)
        self._where(scope, tree)
        for name in ("group", "having", "order", "qualify", "distinct", "limit", "offset"):
            if isinstance(part := tree.args.get(name), exp.Expr):
                mark(scope, part)
                self._subqueries(scope, part)
        for window in tree.args.get("windows") or ():
            mark(scope, window)
        for projection in tree.expressions:
            self._subqueries(scope, projection)
        self._locks(scope, tree)
        outputs = _outputs(scope, tree.expressions)
        self._spend(len(outputs))
        if tree.args.get("distinct"):
            for projection in tree.expressions:
                mark(scope, projection)
        return outputs

    def _locks(self, scope: Scope, tree: exp.Select) -> None:
        for lock in tree.args.get("locks") or ():
            named = {folded(table.this) for table in lock.expressions or ()}
            for alias, source in scope.sources.items():
                if isinstance(source, Occurrence) and (not named or alias in named):
                    source.whole = True

    def _set_operation(self, tree: exp.SetOperation, parent: Scope | None) -> Outputs:
        rights: list[tuple[exp.Expr, Scope | None]] = []
        first: exp.Expr = tree
        while isinstance(first, exp.SetOperation):  # a chain of a thousand UNIONs is a thousand levels deep
            parent = self._with(first, parent) if first.args.get("with_") else parent
            rights.append((first.right, parent))
            first = first.left
        outputs = {name: list(found) for name, found in self.statement(first, parent).items()}
        for query, scope in reversed(rights):
            for found, added in zip(outputs.values(), self.statement(query, scope).values(), strict=False):
                found.extend(added)
        return {name: tuple(found) for name, found in outputs.items()}

    def _where(self, scope: Scope, tree: exp.Expr) -> None:
        if isinstance(where := tree.args.get("where"), exp.Where):
            self._condition(scope, where.this)

    def _condition(self, scope: Scope, expression: exp.Expr) -> None:
        mark(scope, expression)
        for each in conjuncts(expression):
            self.resolved.conditions.append(Output(scope, each))
            query = each.args.get("query") if isinstance(each, exp.In) else None
            if isinstance(query, exp.Subquery) and isinstance(each, exp.In):
                self._semi_join(scope, each, self.statement(query, scope))
            else:
                self._subqueries(scope, each)

    def _semi_join(self, scope: Scope, condition: exp.In, outputs: Outputs) -> None:
        tested = unwrapped(condition.this)
        left = tested.expressions if isinstance(tested, exp.Tuple) else [tested]
        for expression, found in zip(left, outputs.values(), strict=False):
            for output in found:
                mark(output.scope, output.expression)
                self.resolved.equalities.append(Equality(Output(scope, expression), output))

    def _subqueries(self, scope: Scope, expression: exp.Expr) -> None:
        for node in local(expression):
            if isinstance(node, exp.Query):
                for found in self.statement(node, scope).values():
                    for output in found:
                        mark(output.scope, output.expression)

    def _expressions(self, scope: Scope, expressions: Iterable[exp.Expr]) -> None:
        for expression in expressions:
            mark(scope, expression)
            self._subqueries(scope, expression)

    # FROM

    def _joins(self, scope: Scope, tree: exp.Expr) -> None:
        for join in tree.args.get("joins") or ():
            before = dict(scope.sources)
            self._source(scope, join.this)
            if isinstance(on := join.args.get("on"), exp.Expr):
                self._condition(scope, on)
            added = [source for alias, source in scope.sources.items() if alias not in before]
            names = [folded(name) for name in join.args.get("using") or ()]
            if join.args.get("method") == "NATURAL":
                self._spend(len(before) * sum(len(names_of(source)) for source in added))
                names = [
                    name for source in added for name in names_of(source) if any(has(s, name) for s in before.values())
                ]
            for name in names:
                self._using(scope, name, before, added)

    def _using(self, scope: Scope, name: str, before: dict[str, Source], added: list[Source]) -> None:
        left = next((alias for alias, source in before.items() if has(source, name)), None)
        for right in (source for source in added if left is not None and has(source, name)):
            pair = [
                exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))
                for alias in (left, right.alias)
            ]
            for column in pair:
                mark(scope, column)
            self.resolved.equalities.append(Equality(Output(scope, pair[0]), Output(scope, pair[1])))

    def _source(self, scope: Scope, tree: exp.Expr) -> None:
        alias = tree.args.get("alias")
        name = folded(alias.this) if isinstance(alias, exp.TableAlias) else ""
        names = (
            [folded(column) for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
        )
        if isinstance(tree, exp.Table):
            self._table(scope, tree, name, names)
            self._joins(scope, tree)
        elif isinstance(tree, exp.Subquery) and isinstance(tree.this, exp.Table):
            self._source(scope, tree.this)
        elif isinstance(tree, exp.Subquery):
            scope.sources[name or f"#{len(scope.sources)}"] = Derived(name, _rename(self.statement(tree, scope), names))
            self._joins(scope, tree)
        elif isinstance(tree, exp.Lateral) and isinstance(tree.this, exp.Subquery):
            scope.sources[name] = Derived(name, _rename(self.statement(tree.this, scope), names))
        else:
            self._expressions(scope, [tree] if not isinstance(tree, exp.Values) else tree.expressions)
            scope.sources[name or f"#{len(scope.sources)}"] = _function(name, names)

    def _table(self, scope: Scope, tree: exp.Table, alias: str, names: list[str]) -> None:
        if not isinstance(tree.this, exp.Identifier):
            self._expressions(scope, [tree.this] if isinstance(tree.this, exp.Expr) else [])
            scope.sources[alias or f"#{len(scope.sources)}"] = _function(alias, names)
            return
        self._spend(1)
        schema, name = folded(tree.args.get("db")) or None, folded(tree.this)
        query = scope.with_query(name) if schema is None else None
        if query is not None:
            scope.sources[alias or name] = Derived(alias or name, _rename(query.outputs, names), is_open=query.is_open)
            return
        relation = self.catalog.find(schema, name)
        if relation is None:
            self.resolved.unknown.append(f"{schema}.{name}" if schema else name)
            scope.sources[alias or name] = Derived(alias or name, {}, is_open=True)
        elif relation.kind == "v":
            scope.sources[alias or name] = self._view(relation, alias or name, names)
        else:
            scope.sources[alias or name] = self._occurrence(relation, alias or name, names)

    def _occurrence(self, relation: Relation, alias: str, names: list[str], target: Target | None = None) -> Occurrence:
        renamed = {new: column.name for new, column in zip(names, relation.columns, strict=False)}
        occurrence = Occurrence(relation, alias, target, renamed=renamed, whole=target in ("update", "delete", "merge"))
        self.resolved.occurrences.append(occurrence)
        return occurrence

    def _view(self, relation: Relation, alias: str, names: list[str]) -> Derived:
        if relation.definition is None:
            raise UnreadableError(f"the definition of the view {relation.schema_name}.{relation.name} was not captured")
        self._views += 1
        if self._views > MOST_VIEWS:
            raise UnreadableError(f"it comes to more than {MOST_VIEWS:,} views, those of views counted")
        outputs = self.statement(parse(relation.definition), None)
        return Derived(alias, _rename(_rename(outputs, [column.name for column in relation.columns]), names))

    # Writes

    def _target(self, scope: Scope, tree: exp.Expr, target: Target) -> Occurrence | None:
        table = tree.this if isinstance(tree, exp.Schema) else tree
        if not isinstance(table, exp.Table):
            return None
        relation = self.catalog.find(folded(table.args.get("db")) or None, folded(table.this))
        alias = table.args.get("alias")
        name = folded(alias.this) if isinstance(alias, exp.TableAlias) else folded(table.this)
        if relation is None or relation.kind == "v":
            self.resolved.unknown.append(table.name)
            scope.sources[name] = Derived(name, {}, is_open=True)
            return None
        occurrence = self._occurrence(relation, name, [], target)
        scope.sources[name] = occurrence
        return occurrence

    def _insert(self, tree: exp.Insert, parent: Scope | None) -> Outputs:
        scope = self._with(tree, parent)
        own = Scope(scope)
        target = self._target(own, tree.this, "insert")
        names = [folded(name) for name in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
        if target is not None:
            names = names or [column.name for column in target.relation.columns]
            target.written |= set(names)
        source = tree.args.get("expression")
        if isinstance(source, exp.Values):
            self._expressions(scope, source.expressions)
            rows = [row.expressions for row in source.expressions]
            self._assign(target, [pair for row in rows for pair in zip(names, row, strict=False)])
        elif isinstance(source, exp.Expr):
            for found in self.statement(source, scope).values():
                for output in found:
                    mark(output.scope, output.expression)
        if isinstance(conflict := tree.args.get("conflict"), exp.Expr):
            self._set(own, target, [each for each in conflict.expressions if isinstance(each, exp.EQ)])
        return self._returning(own, tree)

    def _update(self, tree: exp.Update, parent: Scope | None) -> Outputs:
        scope = self._with(tree, parent)
        target = self._target(scope, tree.this, "update")
        if isinstance(clause := tree.args.get("from_"), exp.From):
            self._source(scope, clause.this)
            self._joins(scope, clause)
        self._joins(scope, tree)
        self._joins(scope, tree.this)
        self._set(scope, target, tree.expressions)
        self._where(scope, tree)
        return self._returning(scope, tree)

    def _set(self, scope: Scope, target: Occurrence | None, assignments: list[exp.Expr]) -> None:
        for each in assignments:
            if not isinstance(each, exp.EQ):
                continue
            left, right = each.left, unwrapped(each.right)
            names = left.expressions if isinstance(left, exp.Tuple) else [left]
            values = right.expressions if isinstance(right, exp.Tuple) else [right]
            pairs = [(folded(name.this), value) for name, value in zip(names, values, strict=False)]
            self._expressions(scope, [each.right])
            if target is not None:
                target.written |= {folded(name.this) for name in names}
            self._assign(target, pairs)

    def _assign(self, target: Occurrence | None, pairs: list[tuple[str, exp.Expr]]) -> None:
        if target is not None:
            self.resolved.assignments += [(Reference(target, name), value) for name, value in pairs]

    def _delete(self, tree: exp.Delete, parent: Scope | None) -> Outputs:
        scope = self._with(tree, parent)
        self._target(scope, tree.this, "delete")
        for source in tree.args.get("using") or ():
            self._source(scope, source)
        self._where(scope, tree)
        return self._returning(scope, tree)

    def _merge(self, tree: exp.Merge, parent: Scope | None) -> Outputs:
        scope = self._with(tree, parent)
        target = self._target(scope, tree.this, "merge")
        self._source(scope, tree.args["using"])
        self._condition(scope, tree.args["on"])
        for when in tree.args["whens"].expressions:
            action = when.args.get("then")
            if isinstance(action, exp.Update):
                self._set(scope, target, action.expressions)
            elif isinstance(action, exp.Insert) and isinstance(action.expression, exp.Tuple):
                self._expressions(scope, [action.expression])
                if target is not None and isinstance(action.this, exp.Tuple):
                    target.written |= {folded(name.this) for name in action.this.expressions}
        return self._returning(scope, tree)

    def _returning(self, scope: Scope, tree: exp.Expr) -> Outputs:
        clause = tree.args.get("returning")
        if not isinstance(clause, exp.Returning):
            return {}
        self._expressions(scope, clause.expressions)
        return _outputs(scope, clause.expressions)


def _function(alias: str, names: list[str]) -> Derived:
    return Derived(alias, dict.fromkeys(names, ()), is_open=not names)


def _rename(outputs: Outputs, names: list[str]) -> Outputs:
    if not names:
        return outputs
    return {(names[place] if place < len(names) else name): each for place, (name, each) in enumerate(outputs.items())}


def _outputs(scope: Scope, projections: Iterable[exp.Expr]) -> Outputs:
    outputs: Outputs = {}
    for place, projection in enumerate(projections):
        star = projection if isinstance(projection, exp.Star) else getattr(projection, "this", None)
        if isinstance(star, exp.Star) and isinstance(projection, exp.Star | exp.Column):
            outputs |= _expanded(scope, folded(projection.args.get("table")))
            continue
        alias = projection.args.get("alias")
        inner = unwrapped(projection)
        name = folded(alias) or (folded(inner.this) if isinstance(inner, exp.Column) else f"#{place}")
        outputs[name if name not in outputs else f"#{place}"] = (Output(scope, projection),)
    return outputs


def _expanded(scope: Scope, qualifier: str) -> Outputs:
    outputs: Outputs = {}
    for alias, source in scope.sources.items():
        if qualifier not in ("", alias):
            continue
        if len(outputs) + len(names_of(source)) > MOST_COLUMNS:
            raise UnreadableError(f"a query of it has more than {MOST_COLUMNS:,} columns")
        for name in names_of(source):
            column = exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))
            outputs[name if name not in outputs else f"{alias}.{name}"] = (Output(scope, column),)
    return outputs
