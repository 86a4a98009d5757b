"""What a FROM clause names: tables, views, WITH queries, subqueries and functions, and how they are joined."""

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.workload.names import (
    Derived,
    Occurrence,
    Output,
    Outputs,
    Scope,
    Source,
    Target,
    folded,
    has,
    mark,
    names_of,
)
from analyzer.workload.resolved import Conditions, Equality
from analyzer.workload.tree import UnreadableError, parse

#: Views that a statement reads, and those that they read: each may read another one twice.
MOST_VIEWS = 1000


class Sources(Conditions):
    """Walk FROM clauses."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._views = 0

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
            scope.sources[name or f"#{len(scope.sources)}"] = Derived(name, renamed(self.statement(tree, scope), names))
            self._joins(scope, tree)
        elif isinstance(tree, exp.Lateral) and isinstance(tree.this, exp.Subquery):
            scope.sources[name] = Derived(name, renamed(self.statement(tree.this, scope), names))
        else:
            self._expressions(scope, [tree] if not isinstance(tree, exp.Values) else tree.expressions)
            scope.sources[name or f"#{len(scope.sources)}"] = function_source(name, names)

    def _table(self, scope: Scope, tree: exp.Table, alias: str, names: list[str]) -> None:
        if not isinstance(tree.this, exp.Identifier):
            self._expressions(scope, [tree.this] if isinstance(tree.this, exp.Expr) else [])
            scope.sources[alias or f"#{len(scope.sources)}"] = function_source(alias, names)
            return
        self._spend(1)
        schema, name = folded(tree.args.get("db")) or None, folded(tree.this)
        query = scope.with_query(name) if schema is None else None
        if query is not None:
            scope.sources[alias or name] = Derived(alias or name, renamed(query.outputs, names), is_open=query.is_open)
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
            raise UnreadableError(f"it refers to more than {MOST_VIEWS:,} views, including nested ones")
        outputs = self.statement(parse(relation.definition), None)
        return Derived(alias, renamed(renamed(outputs, [column.name for column in relation.columns]), names))


def function_source(alias: str, names: list[str]) -> Derived:
    return Derived(alias, dict.fromkeys(names, ()), is_open=not names)


def renamed(outputs: Outputs, names: list[str]) -> Outputs:
    if not names:
        return outputs
    return {(names[place] if place < len(names) else name): each for place, (name, each) in enumerate(outputs.items())}
