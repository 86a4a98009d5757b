"""Draft btree indexes that serve the prefixes of patterns: LIKE 'x%', ~ '^x', starts_with().

The planner makes a range of a prefix where the index sorts by bytes, which the operators of text_pattern_ops do in any
collation. It does so for the patterns of PostgreSQL's own types: LIKE of citext is an operator of that extension.
"""

from collections.abc import Iterator

from analyzer.advise.draft import Draft
from analyzer.advise.targets import Target, leading, target_of
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.postgres.patterns import has_prefix, is_anchored
from analyzer.workload.shapes import OperatorPredicate, TableShape

_NAMES = {"like": "~~"}
#: The comparison by bytes that the planner makes of a prefix; like_support.c.
_NOT_BEFORE = "~>=~"


def is_prefix(each: OperatorPredicate) -> bool:
    """Say whether a pattern is known to begin with what it looks for."""
    match each.operator:
        case "like":
            return has_prefix(each.value)
        case "~":
            return is_anchored(each.value)
        case _:
            return each.operator == "^@"


def pattern_drafts(each: OperatorPredicate, shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft a btree for what is, or may be, a prefix: a parameter is one more often than not."""
    target = target_of(each.column, each.expression, each.expression_type, relation)
    may_be = is_prefix(each) or (each.operator == "like" and each.value is None)
    if target is None or not may_be or (each.expression is None and not catalog.sortable(relation, each.column)):
        return
    key = _key(each, target, relation, catalog)
    is_range = (
        each.operator == "like" and has_prefix(each.value) and key == Key(column=each.column)
    )  # as btrees are drafted for ranges
    if key is None or is_range or not catalog.operators.is_own(_NAMES.get(each.operator, each.operator), target.type):
        return
    reason = f"prefix of {target.text}"
    yield Draft(keys=(key,), reason=reason)
    if equal := leading(shape.equalities, "btree", relation, catalog):
        names = ", ".join(each.column or "" for each in equal)
        yield Draft(keys=(*equal, key), reason=f"equality on {names}; {reason}", fixed=len(equal))


def _key(each: OperatorPredicate, target: Target, relation: Relation, catalog: Catalog) -> Key | None:
    found = catalog.operators.serving(_NOT_BEFORE, target.type)
    classes = [each.operator_class for each in found if each.operator_class.method == "btree"]
    column = relation.column(target.column or "")
    if not classes or column is None:
        return None
    if catalog.is_c_collation(column) if each.is_bytewise is None else each.is_bytewise:
        column_name = None if target.expression else target.column
        return Key(column=column_name, expression=target.expression, collation=each.collation)
    return target.key(classes[0], catalog)
