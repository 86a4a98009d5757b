"""What queries put out: SELECT, WITH and set operations, scope by scope."""

from collections.abc import Iterable

from sqlglot import exp

from analyzer.workload.names import (
    Derived,
    Occurrence,
    Output,
    Outputs,
    Scope,
    folded,
    mark,
    names_of,
    unwrapped,
)
from analyzer.workload.sources import Sources, renamed
from analyzer.workload.tree import UnreadableError

#: MaxTupleAttributeNumber: PostgreSQL refuses more in one query.
MOST_COLUMNS = 1664


class Queries(Sources):
    """Walk queries."""

    def _with(self, tree: exp.Expr, parent: Scope | None) -> Scope:
        scope = self.resolved.scopes[id(tree)] = Scope(parent)
        clause = tree.args.get("with_")
        for query in clause.expressions if isinstance(clause, exp.With) else ():
            name = folded(query.args["alias"].this)
            names = [folded(column) for column in query.args["alias"].args.get("columns") or ()]
            inner = query.this
            if isinstance(inner, exp.Union) and clause and clause.args.get("recursive"):
                left = self.statement(inner.left, scope)
                scope.with_queries[name] = Derived(name, renamed(left, names))
                self.statement(inner.right, scope)
            else:
                scope.with_queries[name] = Derived(name, renamed(self.statement(inner, scope), names))
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
        outputs = outputs_of(scope, tree.expressions)
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


def outputs_of(scope: Scope, projections: Iterable[exp.Expr]) -> Outputs:
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
