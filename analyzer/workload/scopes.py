"""Resolve a statement's names against the captured catalog, scope by scope.

The result says which table each column belongs to, through aliases, self-joins, WITH, subqueries and views, and lists
the conditions that each query level filters and joins by.
"""

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.workload.names import (
    Derived,
    Occurrence,
    Outputs,
    Reference,
    Scope,
    Target,
    folded,
    mark,
    unwrapped,
)
from analyzer.workload.queries import Queries, outputs_of
from analyzer.workload.resolved import Resolved
from analyzer.workload.tree import UnreadableError, parse


def resolve(text: str, catalog: Catalog) -> Resolved:
    """Resolve one plannable statement; raises UnreadableError."""
    walker = _Walker(catalog)
    try:
        outputs = walker.statement(parse(text), None)
        for each in outputs.values():
            for output in each:
                mark(output.scope, output.expression)
    except RecursionError:
        raise UnreadableError("its queries are nested too deeply") from None
    return walker.resolved


class _Walker(Queries):
    """Walk a statement from the outside in and collect what it says."""

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
                raise UnreadableError(f"it could not be parsed (a {tree.key} where a query was expected)")

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
        own = self.resolved.scopes[id(tree)] = Scope(scope)
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
        return outputs_of(scope, clause.expressions)
