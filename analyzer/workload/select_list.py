"""What a query puts out: what its ORDER BY and GROUP BY call the columns, whether their order matters, its LIMIT."""

from collections.abc import Sequence

from sqlglot import exp

from analyzer.workload.names import folded, unwrapped


class UnplacedError(Exception):
    """A name of a statement has no certain meaning."""


def bare(projection: exp.Expr) -> exp.Expr:
    """Take the alias off a column of a SELECT list."""
    return projection.this if isinstance(projection, exp.Alias) else projection


def listed_place(key: exp.Expr, projections: Sequence[exp.Expr]) -> int | None:
    """Return the place in a SELECT list that a number, or a name of an output, stands for; None for neither.

    Raises UnplacedError for a number that counts what a star stands for.
    """
    if isinstance(key, exp.Literal) and not key.is_string:
        if any(_is_star(each) for each in projections):
            raise UnplacedError
        return int(key.name) - 1 if key.name.isdecimal() and 0 < int(key.name) <= len(projections) else None
    if not isinstance(key, exp.Column) or key.args.get("table") or not isinstance(key.this, exp.Identifier):
        return None
    names = [_name_of(each) for each in projections]
    return names.index(folded(key.this)) if folded(key.this) in names else None


def _name_of(projection: exp.Expr) -> str:
    inner = unwrapped(projection)
    named = projection.args.get("alias") if isinstance(projection, exp.Alias) else getattr(inner, "this", None)
    return folded(named) if isinstance(projection, exp.Alias) or isinstance(inner, exp.Column) else ""


def _is_star(projection: exp.Expr) -> bool:
    return isinstance(projection, exp.Star) or (
        isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
    )


def is_unordered(node: exp.Select) -> bool:
    """Say whether the planner takes the columns in any order: DISTINCT and several windows sort as listed."""
    sorting = (exp.Window, exp.Ordered, exp.WithinGroup)
    return not node.args.get("distinct") and sum(each.find(*sorting) is not None for each in node.expressions) <= 1


def is_limit(clause: object) -> bool:
    """Say whether a LIMIT or FETCH clause, if any, limits: ALL and NULL do not."""
    limit = clause.expression if isinstance(clause, exp.Limit) else clause
    is_all = isinstance(limit, exp.Var) and limit.name.upper() == "ALL"
    return limit is not None and not is_all and not isinstance(limit, exp.Null)
