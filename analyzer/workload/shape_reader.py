"""Sort a resolved statement's conditions by the table they are about."""

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.sql import ident
from analyzer.workload.collations import collated, is_bytewise
from analyzer.workload.conditions import condition
from analyzer.workload.expression_types import type_in
from analyzer.workload.expressions import index_expression
from analyzer.workload.findings import Findings, shape_of
from analyzer.workload.names import (
    Output,
    Reference,
    Scope,
    columns,
    conjuncts,
    disjuncts,
    own_column,
    plain_column,
    single_reference,
    unwrapped,
)
from analyzer.workload.ordering import Sort, groups_of, operator_of, orders_of
from analyzer.workload.parameters import Comparison, Use, compared, configurations, uncast
from analyzer.workload.parse import Statement
from analyzer.workload.scopes import Resolved
from analyzer.workload.shape_records import (
    Condition,
    ExpressionPredicate,
    JoinKey,
    OperatorPredicate,
    Shape,
)

_PATTERNS = {"~": "~", "~*": "~*", "~~": "like", "~~*": "ilike", "^@": "^@"}
_COMMUTED_COMPARISONS = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
#: Operators whose commutator has the same name for every type; those of others are the server's to say.
_COMMUTED = {"@>": "<@", "<@": "@>", "&&": "&&", "@@": "@@"}
#: Arms that are read of an OR, and kept of a table.
_MOST_ARMS = 16
_COMPARISONS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


class ShapeReader:
    """Sort a resolved statement's conditions by the table they are about."""

    def __init__(self, resolved: Resolved, catalog: Catalog) -> None:
        self.resolved = resolved
        self.catalog = catalog
        #: By the id() of an Occurrence, of which a statement may have thousands.
        self.findings = defaultdict[int, Findings](Findings)
        self.comparisons: dict[int, Comparison] = {}
        self._occurrences = {id(occurrence): occurrence for occurrence in resolved.occurrences}

    def shape(self, statement: Statement) -> Shape:
        for output in self.resolved.conditions:
            self._condition(output.scope, output.expression, alternative=False)
        for equality in self.resolved.equalities:
            self._join(equality.left, equality.right)
            self._join(equality.right, equality.left)
        for scope, select in self.resolved.selects:
            self._order(scope, select)
        for reference, value in self.resolved.assignments:
            self._compare_parameters(reference, value, "assigned", "=")
        for _, select in self.resolved.selects:
            self._add_comparisons(configurations(select, self.comparisons))
        return Shape(
            statement_id=statement.id,
            weight=statement.weight,
            tables=tuple(shape_of(each, self.findings[id(each)]) for each in self.resolved.occurrences),
            comparisons=tuple(self.comparisons[number] for number in sorted(self.comparisons)),
        )

    # Conditions

    def _condition(self, scope: Scope, expression: exp.Expr, *, alternative: bool) -> None:
        waiting = [(expression, alternative)]
        while waiting:  # a chain of a thousand ORs is a thousand levels deep
            each, within = waiting.pop()
            each = unwrapped(each)
            if isinstance(each, exp.Or | exp.And):
                if not within:
                    self._constant_condition(scope, each)
                    if isinstance(each, exp.Or):
                        if self._list(scope, each):
                            continue
                        self._arms(scope, each)
                within = within or isinstance(each, exp.Or)
                waiting += ((each.right, within), (each.left, within))
            else:
                self._single_condition(scope, each, alternative=within)

    def _arms(self, scope: Scope, expression: exp.Or) -> None:
        """Note what the arms of an OR ask that are ANDs; an OR within one is left to its single columns."""
        several = (each for each in disjuncts(expression) if isinstance(each, exp.And) or _is_of_rows(each))
        for arm in itertools.islice(several, _MOST_ARMS):
            with self._reading_arm():
                for each in conjuncts(arm):
                    if not isinstance(each, exp.Or):
                        self._single_condition(scope, each, alternative=False)

    @contextlib.contextmanager
    def _reading_arm(self) -> Generator[None]:
        """Note what the block finds as an arm of an OR, and nothing else of it."""
        outer = self.findings, self.comparisons
        self.findings, self.comparisons = defaultdict[int, Findings](Findings), {}
        try:
            yield
        finally:
            inner, (self.findings, self.comparisons) = self.findings, outer
        for key, found in inner.items():
            arms = self.findings[key].arms
            if found != Findings() and len(arms) < _MOST_ARMS:
                arms[replace(shape_of(self._occurrences[key], found), columns=(), written=())] = None

    def _single_condition(self, scope: Scope, expression: exp.Expr, *, alternative: bool) -> None:
        constant = not alternative and self._constant_condition(scope, expression)
        match expression:
            case exp.EQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                self._comparison(scope, expression, _COMPARISONS[type(expression)], alternative=alternative)
            case exp.NullSafeEQ():
                pass
            case exp.Between():
                self._compare(scope, expression.this, expression.args["low"], ">=", alternative=alternative)
                self._compare(scope, expression.this, expression.args["high"], "<=", alternative=alternative)
            case exp.In():
                self._in(scope, expression, alternative=alternative)
            case exp.Escape():
                self._condition(scope, expression.this, alternative=alternative)
            case exp.Like() | exp.ILike() if not expression.args.get("negate"):
                operator = "ilike" if isinstance(expression, exp.ILike) else "like"
                self._pattern(scope, expression.this, expression.expression, operator)
            case exp.Operator() if operator_of(expression) in _COMMUTED_COMPARISONS:
                self._comparison(scope, expression, operator_of(expression), alternative=alternative)
            case exp.Operator():
                self._operator(scope, expression)
            case exp.StartsWith():
                self._pattern(scope, expression.this, expression.expression, "^@")
            case exp.Mod():
                self._special(scope, expression.left, expression.right, "%")
            case _ if not constant:
                self._add_residual(scope, expression)
            case _:
                pass

    def _add_residual(self, scope: Scope, expression: exp.Expr) -> None:
        for owner in self._owners(scope, expression):
            self.findings[owner].residual = True

    def _constant_condition(self, scope: Scope, expression: exp.Expr) -> bool:
        """Note a condition without parameters, and return whether it is one."""
        references = [scope.resolve(column) for column in columns(expression)]
        owners = {id(reference.occurrence): reference.occurrence for each in references for reference in each}
        if len(owners) != 1 or not all(len(each) == 1 for each in references):
            return False
        (occurrence,) = owners.values()
        names = tuple(dict.fromkeys(each[0].column for each in references))
        sql = condition(expression, lambda column: own_column(scope, column), occurrence.relation, self.catalog)
        if sql is not None:
            found = self.findings[id(occurrence)]
            found.conditions[Condition(sql=sql, columns=names)] = None
            if sql == f"{ident(names[0])} IS NULL":
                found.nulls[names[0]] = None
            return True
        return False

    def _comparison(self, scope: Scope, expression: exp.Expr, operator: str, *, alternative: bool) -> None:
        left, right = unwrapped(expression.args["this"]), unwrapped(expression.args["expression"])
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            pairs = list(zip(left.expressions, right.expressions, strict=False))
            # A row comparison (keyset pagination) bounds its first column alone; an equality holds for each.
            for one, other in pairs if operator == "=" else pairs[:1]:
                self._compare(scope, one, other, operator, alternative=alternative)
            if operator != "=" and not alternative:
                self._keyset(scope, pairs)
            return
        self._compare(scope, left, right, operator, alternative=alternative)
        if not isinstance(right, exp.Any):
            self._compare(scope, right, left, _COMMUTED_COMPARISONS[operator], alternative=alternative)

    def _keyset(self, scope: Scope, pairs: Sequence[tuple[exp.Expr, exp.Expr]]) -> None:
        """Note the columns of a row that is compared with another, when they are of one table and no COLLATE is."""
        columns = [unwrapped(one) for one, _ in pairs]
        if any(collated(scope, self.catalog, unwrapped(one), unwrapped(other))[2] for one, other in pairs):
            return
        found = [single_reference(scope, each) if isinstance(each, exp.Column) else None for each in columns]
        known = [each for each in found if each is not None]
        if known and len(known) == len(found) and len({id(each.occurrence) for each in known}) == 1:
            self.findings[id(known[0].occurrence)].keysets[tuple(each.column for each in known)] = None

    def _in(self, scope: Scope, expression: exp.In, *, alternative: bool) -> None:
        row = unwrapped(expression.this)
        if isinstance(row, exp.Tuple):
            self._in_rows(scope, row, expression.expressions, alternative=alternative)
            return
        for value in expression.expressions:
            self._compare(
                scope, expression.this, value, "=", alternative=alternative, several=len(expression.expressions) > 1
            )

    def _in_rows(self, scope: Scope, row: exp.Tuple, values: Sequence[exp.Expr], *, alternative: bool) -> None:
        """Note a row that is compared with several, which is an OR of ANDs; all of these are of the same columns."""
        rows = [each.expressions for value in values if isinstance(each := unwrapped(value), exp.Tuple)]
        for each in rows:
            for one, other in zip(row.expressions, each, strict=False):
                self._compare(scope, one, other, "=", alternative=alternative or len(values) > 1)
        if rows and len(values) > 1 and not alternative:
            with self._reading_arm():
                for one, other in zip(row.expressions, rows[0], strict=False):
                    self._compare(scope, one, other, "=", alternative=False)

    def _list(self, scope: Scope, expression: exp.Or) -> bool:
        """Note ORs that compare one column with several values, as IN does; return whether they do."""
        arms = list(disjuncts(expression))
        if not all(isinstance(each, exp.EQ | exp.In) for each in arms):
            return False
        columns = [unwrapped(each.this) for each in arms]
        found = [single_reference(scope, each) if isinstance(each, exp.Column) else None for each in columns]
        if any(each is None or each != found[0] for each in found):
            return False
        for each in arms:
            for value in [each.right] if isinstance(each, exp.EQ) else each.expressions:
                self._compare(scope, each.this, value, "=", alternative=False, several=True)
        return True

    def _compare(
        self,
        scope: Scope,
        left: exp.Expr,
        right: exp.Expr,
        operator: str,
        *,
        alternative: bool,
        several: bool = False,
    ) -> None:
        """Note that `left` is compared with `right`, when `left` is something an index of one table can hold."""
        left, right, collation = collated(scope, self.catalog, unwrapped(left), unwrapped(right))
        left, right = self._relabelled(scope, left), self._relabelled(scope, right)
        if operator == "=" and isinstance(right, exp.Any):
            array = unwrapped(right.this)
            for reference in scope.resolve(array) if isinstance(array, exp.Column) else ():
                predicate = OperatorPredicate(column=reference.column, operator="= any")
                self._findings_of(reference).operators[predicate] = None
        others = self._owners(scope, right)
        if not isinstance(left, exp.Column) or collation is not None:
            self._compare_expression(scope, left, others, operator, collation)
            return
        for reference in scope.resolve(left):
            if id(reference.occurrence) in others:
                continue
            found = self.findings[id(reference.occurrence)]
            if alternative:
                found.alternatives[reference.column] = None
            elif operator != "=":
                found.ranges[reference.column] = None
            elif others:
                found.joins[JoinKey(column=reference.column, other=plain_column(scope, right))] = None
            else:
                found.equalities[reference.column] = None
                if several or isinstance(right, exp.Any):
                    found.lists[reference.column] = None
            if not isinstance(right, exp.Any):
                self._compare_parameters(reference, right, "equality" if operator == "=" else "range", operator)

    def _compare_expression(
        self, scope: Scope, left: exp.Expr, others: set[int], operator: str, collation: str | None
    ) -> None:
        single = single_reference(scope, left)
        if single is None or id(single.occurrence) in others:
            return
        relation = single.occurrence.relation
        sql = index_expression(left, lambda column: own_column(scope, column), relation, self.catalog)
        if isinstance(left, exp.Column):
            sql = ident(single.column)
        if sql is not None:
            names = tuple(dict.fromkeys(name for column in columns(left) if (name := own_column(scope, column))))
            kind = "equality" if operator == "=" else "range"
            predicate = ExpressionPredicate(sql=sql, columns=names, kind=kind, collation=collation)
            self.findings[id(single.occurrence)].expressions[predicate] = None
        else:
            self.findings[id(single.occurrence)].residual = True

    def _relabelled(self, scope: Scope, expression: exp.Expr) -> exp.Expr:
        """Take a cast off a column that changes no value: an index of the column serves it all the same."""
        inner = unwrapped(expression.this) if isinstance(expression, exp.Cast) else None
        if not isinstance(expression, exp.Cast) or not isinstance(inner, exp.Column):
            return expression
        references = scope.resolve(inner)
        found = references[0].occurrence.relation.column(references[0].column) if len(references) == 1 else None
        is_same = found is not None and self.catalog.relabels(found, expression.to.sql("postgres"))
        return inner if is_same else expression

    def _owners(self, scope: Scope, expression: exp.Expr) -> set[int]:
        return {id(reference.occurrence) for column in columns(expression) for reference in scope.resolve(column)}

    def _compare_parameters(self, reference: Reference, value: exp.Expr, use: Use, operator: str) -> None:
        self._add_comparisons(compared(reference, value, use, operator))

    def _add_comparisons(self, comparisons: Iterable[Comparison]) -> None:
        for comparison in comparisons:
            self.comparisons.setdefault(comparison.parameter, comparison)

    def _join(self, one: Output, other: Output) -> None:
        inner = unwrapped(one.expression)
        if not isinstance(inner, exp.Column):
            return
        far = unwrapped(other.expression)
        target = plain_column(other.scope, far)
        for reference in one.scope.resolve(inner):
            self.findings[id(reference.occurrence)].joins[JoinKey(column=reference.column, other=target)] = None

    # Operators

    def _pattern(self, scope: Scope, left: exp.Expr, right: exp.Expr, operator: str) -> None:
        left, right, collation = collated(scope, self.catalog, unwrapped(left), unwrapped(right))
        left, right = self._relabelled(scope, left), uncast(right)
        value = right.name if isinstance(right, exp.Literal) and right.is_string else None
        predicate = OperatorPredicate(
            column="",
            operator=operator,
            value=value,
            collation=collation,
            is_bytewise=is_bytewise(scope, self.catalog, left, collation),
        )
        for reference in self._add_predicate(scope, left, right, predicate):
            if operator in ("like", "ilike"):
                self._compare_parameters(reference, right, "like" if operator == "like" else "ilike", operator)

    def _operator(self, scope: Scope, expression: exp.Operator) -> None:
        operator = operator_of(expression)
        if operator in _PATTERNS:
            self._pattern(scope, expression.this, expression.expression, _PATTERNS[operator])
        else:
            self._special(scope, expression.this, expression.expression, operator)

    def _special(self, scope: Scope, left: exp.Expr, right: exp.Expr, operator: str) -> None:
        left, right = unwrapped(left), unwrapped(right)
        commuted = _COMMUTED.get(operator)
        turned = OperatorPredicate(column="", operator=commuted or operator, is_commuted=commuted is None)
        for one, other, predicate in (
            (left, right, OperatorPredicate(column="", operator=operator)),
            (right, left, turned),
        ):
            name = predicate.operator
            for reference in self._add_predicate(scope, one, other, predicate):
                if name in ("@>", "&&", "@@"):
                    self._compare_parameters(reference, other, "search" if name == "@@" else "contains", name)

    def _add_predicate(
        self, scope: Scope, key: exp.Expr, other: exp.Expr, predicate: OperatorPredicate
    ) -> tuple[Reference, ...]:
        """Note an operator between what an index of one table can hold and what is not of that table.

        Return the columns that it is noted of. With ANY, no access method serves an operator that is no comparison.
        """
        others = self._owners(scope, other)
        if isinstance(other, exp.Any | exp.All):
            return ()
        predicate = replace(predicate, other_type=type_in(scope, other, self.catalog))
        if isinstance(key, exp.Column):
            found = tuple(each for each in scope.resolve(key) if id(each.occurrence) not in others)
            for each in found:
                self._findings_of(each).operators[replace(predicate, column=each.column)] = None
            return found
        single = single_reference(scope, key)
        if single is not None and id(single.occurrence) not in others:
            sql = index_expression(
                key, lambda column: own_column(scope, column), single.occurrence.relation, self.catalog
            )
            kind = type_in(scope, key, self.catalog)
            predicate = replace(predicate, column=single.column, expression=sql, expression_type=kind)
            if sql is not None:
                self._findings_of(single).operators[predicate] = None
            else:
                self._findings_of(single).residual = True
        return ()

    def _findings_of(self, reference: Reference) -> Findings:
        return self.findings[id(reference.occurrence)]

    def _order(self, scope: Scope, select: exp.Select) -> None:
        for occurrence, order in orders_of(scope, self.catalog, select):
            found = self.findings[id(occurrence)]
            if isinstance(order, Sort):
                found.sorts[order] = None
            else:
                found.nearest[order] = None
        if (groups := groups_of(scope, self.catalog, select)) is not None:
            found = self.findings[id(groups[0])]
            found.groups = found.groups or groups[1]


def _is_of_rows(expression: exp.Expr) -> bool:
    """Say whether a condition compares rows with =, which is an AND."""
    return isinstance(expression, exp.EQ) and isinstance(unwrapped(expression.this), exp.Tuple)
