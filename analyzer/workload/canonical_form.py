"""Write a statement without its aliases, comments, quoting, lengths of IN lists, orders of the SELECT list and of AND.

A table is written by its schema and name, a column by its source's place among the sources of its query level (as de
Bruijn wrote bound variables), an output by what it is computed from, an alias not at all. An inner join is its tables
and conditions, however it is spelled. What two statements of one
form ask of the planner is the same; a statement for which that cannot be said has no form.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.workload.names import Occurrence, Output, Scope, Source, folded, has
from analyzer.workload.resolved import Resolved
from analyzer.workload.scopes import resolve
from analyzer.workload.select_list import UnplacedError, bare, is_limit, is_unordered, listed_place
from analyzer.workload.tree import UnreadableError, parse

#: A parameter in an unfinished form, and one that only its place among all parameters is kept of.
_PARAMETER = re.compile("\0([0-9]+)\0")
_HIDDEN = re.compile("\1([0-9]+)\1")
_ANY = re.compile("[\0\1]([0-9]+)[\0\1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A statement without what is of no consequence."""

    text: str
    #: Numbers of its parameters in the order of the form.
    parameters: tuple[int, ...]


def canonical_form(text: str, catalog: Catalog, *, is_limit_counted: bool) -> Form | None:
    """Return the form of a plannable statement; None for one that has none.

    A LIMIT that was counted, not written, is not part of it.
    """
    try:
        tree = parse(text)
        written = _Writer(resolve(text, catalog), catalog, is_limit_counted=is_limit_counted).statement(tree)
    except (UnreadableError, UnplacedError, RecursionError):
        return None
    numbers: dict[str, str] = {}
    form = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], str(len(numbers) + 1))}", written)
    return Form(text=_HIDDEN.sub("", form), parameters=tuple(dict.fromkeys(map(int, _ANY.findall(written)))))


class _Writer:
    def __init__(self, resolved: Resolved, catalog: Catalog, *, is_limit_counted: bool) -> None:
        self._resolved, self._catalog = resolved, catalog
        self._is_limit_counted = is_limit_counted
        self._outputs: dict[int, str] = {}

    def statement(self, tree: exp.Expr) -> str:
        """Write a whole statement; only the SELECT list of its outermost query has an order of no consequence."""
        if not isinstance(tree, exp.Select):
            return self._write(tree, Scope())
        return self._select(tree, self._scope(tree, Scope()), is_outermost=True)

    def _scope(self, node: exp.Expr, around: Scope) -> Scope:
        return self._resolved.scopes.get(id(node), around)

    def _write(self, node: exp.Expr, around: Scope) -> str:  # noqa: PLR0911 - one return a kind of node
        scope = self._scope(node, around)
        match node:
            case exp.Column():
                return self._column(node, scope)
            case exp.Identifier():
                return _quoted(folded(node))
            case exp.Table():
                return self._table(node, scope)
            case exp.Select():
                return self._select(node, scope)
            case exp.SetOperation():
                return self._set_operation(node, scope)
            case exp.Join():
                return self._join(node, scope)
            case exp.Lock():
                return self._lock(node, scope)
            case exp.Returning():
                return f"returning({','.join(self._write(bare(each), scope) for each in node.expressions)})"
            case _:
                return self._operation(node, scope)

    def _operation(self, node: exp.Expr, scope: Scope) -> str:  # noqa: PLR0911 - as above
        match node:
            case exp.Parameter() if isinstance(node.this, exp.Literal):
                return f"\0{node.this.name}\0"
            case exp.Var() if isinstance(node.this, str):
                return node.this.lower()
            case exp.Paren():
                return self._write(node.this, scope)  # the tree says what it held together
            case exp.In() if not node.args.get("query"):
                return self._list(node, scope)
            case exp.Limit() | exp.Fetch() if self._is_limit_counted and not _has_ties(node):
                return "limit"
            case exp.Offset() if self._is_limit_counted:
                return "offset"
            case exp.Anonymous() if isinstance(node.this, str):
                return f"{_quoted(node.this.lower())}({self._all(node.expressions, scope)})"
            case exp.And():
                return self._conjunction([node], scope)
            case exp.Between() if _is_two_comparisons(node):
                return self._conjunction([node], scope)
            case exp.EQ() | exp.NEQ() if (elements := _elements(node)) is not None:
                found = self._list_of(node.this, elements, scope)
                return found if isinstance(node, exp.EQ) else f"not(this={found})"
            case exp.Binary() if _is_chained(node):
                return self._chain(node, scope)
            case _:
                return self._any(node, scope)

    def _any(self, node: exp.Expr, scope: Scope, *, without: Sequence[str] = ()) -> str:
        parts: list[str] = []
        for name, value in sorted(node.args.items()):
            if value is None or value == [] or name in without or (name == "desc" and not value):  # ASC is the default
                continue
            if name == "limit" and not is_limit(value):
                continue
            if isinstance(value, exp.TableAlias):
                kept = [each for each in value.args.get("columns") or () if not isinstance(each, exp.Identifier)]
                parts += [f"columns={self._all(kept, scope)}"] if kept else []
            else:
                parts.append(f"{name}={self._value(value, scope)}")
        return f"{node.key}({','.join(parts)})"

    def _value(self, value: object, scope: Scope) -> str:
        if isinstance(value, exp.Expr):
            return self._write(value, scope)
        if isinstance(value, list):
            return f"[{self._all(value, scope)}]"  # pyright: ignore[reportUnknownArgumentType]
        return _quoted(str(value))

    def _all(self, values: Sequence[object], scope: Scope) -> str:
        return ",".join(self._value(each, scope) for each in values)

    def _chain(self, node: exp.Expr, scope: Scope) -> str:
        """Write operators of one side after the other: a chain of a thousand is a thousand levels deep."""
        names: list[str] = []
        rights: list[str] = []
        while _is_chained(node):
            names.append(f"{node.key}(")
            rights.append(f",{self._write(node.expression, scope)})")
            node = node.this
        return "".join((*names, self._write(node, scope), *reversed(rights)))

    def _conjunction(self, nodes: Sequence[exp.Expr], scope: Scope) -> str:
        """Write conditions that are all to hold; a BETWEEN is two."""
        written: list[str] = []
        pending = [*reversed(nodes)]
        while pending:
            match node := pending.pop():
                case exp.And():
                    pending += [node.expression, node.this]
                case exp.Paren():
                    pending.append(node.this)
                case exp.Between() if _is_two_comparisons(node):
                    value = self._write(node.this, scope)
                    written.append(f"gte({value},{self._write(node.args['low'], scope)})")
                    written.append(f"lte({value},{self._write(node.args['high'], scope)})")
                case _:
                    written.append(self._write(node, scope))
        return f"and({','.join(sorted(written, key=_masked))})"

    def _list(self, node: exp.In, scope: Scope) -> str:
        elements: list[exp.Expr] = node.expressions
        if not elements or not all(isinstance(each, exp.Parameter) for each in elements):
            return self._any(node, scope)
        return self._list_of(node.this, elements, scope)

    def _list_of(self, node: exp.Expr, parameters: Sequence[exp.Expr], scope: Scope) -> str:
        """Write of a list of parameters the first."""
        first, *others = parameters
        rest = "".join(f"\1{each.this.name}\1" for each in others)
        return f"in({self._write(node, scope)},{self._write(first, scope)}{rest})"

    # Names

    def _column(self, node: exp.Column, scope: Scope) -> str:
        qualifier, name = folded(node.args.get("table")), folded(node.this)
        if isinstance(node.this, exp.Star):
            return f"{self._source(scope, qualifier)}.*" if qualifier else "*"
        found = scope.source_of(node)
        if found is None:
            if not qualifier and self._is_known(scope, name):
                return f"{self._source(scope, name)}.row"
            return f"{self._source(scope, qualifier) if qualifier else ''}.{_quoted(name)}"
        return f"{self._place(scope, *found)}.{self._output(found[1], name)}"

    def _is_known(self, scope: Scope | None, alias: str) -> bool:
        while scope is not None:
            if alias in scope.sources:
                return True
            scope = scope.parent
        return False

    def _source(self, scope: Scope, alias: str) -> str:
        """Write a source by its alias; another name is the server's own, such as `excluded`."""
        at: Scope | None = scope
        while at is not None:
            if alias in at.sources:
                return self._place(scope, at, at.sources[alias])
            at = at.parent
        return _quoted(alias)

    def _place(self, scope: Scope, having: Scope, source: Source) -> str:
        levels, at = 0, scope
        while at is not having and at.parent is not None:
            levels += bool(at.sources)
            at = at.parent
        return f"{levels}:{next(place for place, each in enumerate(having.sources.values()) if each is source)}"

    def _output(self, source: Source, name: str) -> str:
        """Write a column of a source: a table's by its name, a computed one by what it is computed from."""
        if isinstance(source, Occurrence):
            return _quoted(source.column(name) or name)
        if name not in source.outputs:
            return _quoted(name)
        outputs = source.outputs[name]
        if not outputs:
            return f"#{list(source.outputs).index(name)}"
        # All mentions of a WITH query have its outputs; to write each again would double the work at every query.
        if id(outputs) not in self._outputs:
            self._outputs[id(outputs)] = self._computed(outputs)
        return self._outputs[id(outputs)]

    def _computed(self, outputs: Sequence[Output]) -> str:
        texts = (self._write(bare(each.expression), each.scope) for each in outputs)
        return hashlib.sha256("|".join(map(_masked, texts)).encode()).hexdigest()[:16]

    def _table(self, node: exp.Table, scope: Scope) -> str:
        rest = self._any(node, scope, without=("this", "db", "catalog"))
        if not isinstance(node.this, exp.Identifier):
            return f"{self._value(node.this, scope)}{rest}"
        schema, name = folded(node.args.get("db")) or None, folded(node.this)
        if schema is None and (place := _with_place(scope, name)) is not None:
            return f"with {place}{rest}"
        relation = self._catalog.find(schema, name)
        if relation is None:
            raise UnplacedError
        return f"{_quoted(relation.schema_name)}.{_quoted(relation.name)}{rest}"

    def _lock(self, node: exp.Lock, scope: Scope) -> str:
        tables = ",".join(self._source(scope, folded(table.this)) for table in node.expressions or ())
        return f"{self._any(node, scope, without=('expressions',))}[{tables}]"

    def _join(self, node: exp.Join, scope: Scope) -> str:
        if node.args.get("method") == "NATURAL":
            raise UnplacedError  # by the names of columns, which may be those of aliases
        joined = (self._using(scope, folded(each)) for each in node.args.get("using") or ())
        without = ("using", "kind") if node.args.get("kind") in ("INNER", "OUTER") else ("using",)
        return f"{self._any(node, scope, without=without)}[{','.join(joined)}]"

    def _using(self, scope: Scope, name: str) -> str:
        having = (source for source in scope.sources.values() if has(source, name))
        return "=".join(f"{self._place(scope, scope, source)}.{self._output(source, name)}" for source in having)

    # Queries

    def _select(self, node: exp.Select, scope: Scope, *, is_outermost: bool = False) -> str:
        if id(node) not in self._resolved.scopes:
            raise UnplacedError
        projections: list[exp.Expr] = node.expressions
        written = [self._write(bare(each), scope) for each in projections]
        group = self._placed(node, "group", scope, written)
        order = self._placed(node, "order", scope, written)
        distinct = self._placed(node, "distinct", scope, written)
        if is_outermost and is_unordered(node):
            written.sort(key=_masked)
        apart = ("expressions", "group", "order", "distinct", "joins", "where")
        rest = f"{self._any(node, scope, without=apart)}{self._joined(node, scope)}"
        return f"{rest}[{','.join(written)}]{group}{order}{distinct}"

    def _joined(self, node: exp.Select, scope: Scope) -> str:
        """Write the joins and the condition of a query; those of inner joins are conditions of the query."""
        joins: list[exp.Join] = node.args.get("joins") or []
        where = node.args.get("where")
        conditions = [where.this] if isinstance(where, exp.Where) else []
        if all(map(_is_inner, joins)):
            conditions = [*(on for each in joins if (on := each.args.get("on")) is not None), *conditions]
            tables = [self._write(each.this, scope) for each in joins]
        else:
            tables = [self._write(each, scope) for each in joins]
        return f"{tables}{self._conjunction(conditions, scope) if conditions else ''}"

    def _placed(self, node: exp.Select, clause: str, scope: Scope, written: Sequence[str]) -> str:
        """Write a clause that can name a column of the SELECT list, by its place or its alias, as what that is."""
        part = node.args.get(clause)
        if not isinstance(part, exp.Expr):
            return ""
        on = part.args.get("on")
        listed: list[exp.Expr] = on.expressions if isinstance(on, exp.Tuple) else part.expressions
        rest = self._any(part, scope, without=("expressions", "on"))
        keys = (self._key(each, node, scope, written, prefers_source=clause == "group") for each in listed)
        return f"{clause}{'on' if on else ''}({','.join(keys)}){rest}"

    def _key(
        self, key: exp.Expr, node: exp.Select, scope: Scope, written: Sequence[str], *, prefers_source: bool
    ) -> str:
        inner = key.this if isinstance(key, exp.Ordered) else key
        if isinstance(inner, exp.Rollup | exp.Cube | exp.GroupingSets):
            raise UnplacedError  # they can hold places and aliases in turn
        place = listed_place(inner, node.expressions)
        is_own = isinstance(inner, exp.Column) and scope.search(folded(inner.this))[0] is not None
        text = self._write(inner, scope) if place is None or (prefers_source and is_own) else written[place]
        how = self._any(key, scope, without=("this",)) if isinstance(key, exp.Ordered) else ""
        return f"{text}{how}"

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> str:
        """Write a set operation; its ORDER BY names columns of the first query."""
        first: exp.Expr = node
        while isinstance(first, exp.SetOperation | exp.Subquery):
            first = first.this
        names = first.expressions if isinstance(first, exp.Select) else []
        order = node.args.get("order")
        keys: list[str] = []
        for key in order.expressions if isinstance(order, exp.Order) else ():
            place = listed_place(key.this, names)
            if place is None:
                raise UnplacedError
            keys.append(f"{place}{self._any(key, scope, without=('this',))}")
        return f"{self._any(node, scope, without=('order',))}{keys}"


def _quoted(name: str) -> str:
    return repr(name)


def _masked(text: str) -> str:
    return _ANY.sub("?", text)


def _has_ties(node: exp.Expr) -> bool:
    options = node.args.get("limit_options")
    return isinstance(options, exp.LimitOptions) and bool(options.args.get("with_ties"))


def _is_plain(node: exp.Expr) -> bool:
    return isinstance(node, exp.Binary) and {name for name, value in node.args.items() if value} == {
        "this",
        "expression",
    }


def _is_chained(node: exp.Expr) -> bool:
    """Say whether an operator is written apart from its first operand."""
    return _is_plain(node) and not isinstance(node, exp.And) and _elements(node) is None


def _is_two_comparisons(node: exp.Between) -> bool:
    """Say whether a BETWEEN is written as two; one within its value would be written twice at every level."""
    return not node.args.get("symmetric") and node.this.find(exp.Between) is None


def _elements(node: exp.Expr) -> list[exp.Expr] | None:
    """Return the parameters of `= ANY (ARRAY[…])` or `<> ALL (ARRAY[…])`; None of anything else."""
    array = node.args.get("expression")
    match node, array:
        case exp.EQ(), exp.Any():
            array = array.this
        case exp.NEQ(), exp.Anonymous() if str(array.this).lower() == "all" and len(array.expressions) == 1:
            (array,) = array.expressions
        case _:
            return None
    while isinstance(array, exp.Paren):
        array = array.this
    elements: list[exp.Expr] = array.expressions if isinstance(array, exp.Array) else []
    return elements if elements and all(isinstance(each, exp.Parameter) for each in elements) else None


def _is_inner(join: exp.Join) -> bool:
    given = {name for name, value in join.args.items() if value} - {"this", "on", "kind"}
    return not given and join.args.get("kind") in (None, "", "INNER", "CROSS")


def _with_place(scope: Scope, name: str) -> str | None:
    levels = 0
    at: Scope | None = scope
    while at is not None:
        if name in at.with_queries:
            return f"{levels}:{list(at.with_queries).index(name)}"
        levels += bool(at.with_queries)
        at = at.parent
    return None
