"""Draft the indexes that serve one table's operators, by the operator classes that the server has for them.

Where GIN serves an operator it is drafted alone; else GiST and SP-GiST are, and the twin compares them. Columns that
are compared with = come before the key where an extension (btree_gin, btree_gist) gives the method their classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.advise.pattern_drafts import is_prefix, pattern_drafts
from analyzer.advise.targets import Target, leading, target_of
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.objects.operator_classes import OperatorClass
from analyzer.postgres.access_methods import METHODS, MethodName
from analyzer.postgres.patterns import has_trigram
from analyzer.workload.shapes import OperatorPredicate, TableShape

#: Methods that are drafted for operators, and those of them that one index can mix keys in.
_METHODS: Final[tuple[MethodName, ...]] = ("gin", "gist", "spgist", "btree")
_OTHERS_OF_GIN = frozenset({"gist", "spgist"})
#: What the catalog calls the operators of patterns.
_NAMES = {"like": "~~", "ilike": "~~*"}
_PATTERNS = frozenset({"like", "ilike", "~", "~*"})
#: Keys of an index that serves several operators at once.
_MOST_KEYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An operator on something that can be a key, and the operator classes that serve it."""

    target: Target
    operator: str
    classes: tuple[OperatorClass, ...]

    def of(self, method: MethodName) -> tuple[OperatorClass, ...]:
        return tuple(each for each in self.classes if each.method == method)


def operator_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each operator that an operator class serves, and one for several of them together."""
    predicates = shape.operators[:MOST_EXPRESSIONS]
    asked = [found for each in predicates if (found := _asked(each, relation, catalog)) is not None]
    for method in _METHODS:
        served = [each for each in asked if each.of(method)]
        targets = dict.fromkeys(each.target for each in served)
        first: list[Key] = []
        for target in targets:
            keys = list(_keys(target, [each for each in served if each.target == target], method, catalog))
            first.append(keys[0])
            reason = _reason(served, target)
            yield from (Draft(method=method, keys=(key,), reason=reason) for key in keys)
        if METHODS[method].multicolumn and method != "btree" and first:
            equal = [*shape.equalities, *(join.column for join in shape.joins)]
            reason = "; ".join(_reason(served, target) for target in targets)
            yield from _mixed(method, first, leading(equal, method, relation, catalog), reason)
    for each in predicates:
        yield from pattern_drafts(each, shape, relation, catalog)


def _asked(each: OperatorPredicate, relation: Relation, catalog: Catalog) -> _Asked | None:
    target = target_of(each.column, each.expression, each.expression_type, relation)
    if target is None:
        return None
    name = _NAMES.get(each.operator, each.operator)
    # Of another type, such as ltree, an operator of that name is another one.
    is_pattern = each.operator in _PATTERNS and catalog.operators.is_own(name, target.type)
    if is_pattern and (is_prefix(each) or not has_trigram(each.value)):
        return None
    found = catalog.operators.serving(name, target.type, each.other_type, is_commuted=each.is_commuted)
    classes = [service.operator_class for service in found if service.operator_class.method in _METHODS]
    if any(each.method == "gin" for each in classes):
        classes = [each for each in classes if each.method not in _OTHERS_OF_GIN]
    target = replace(target, collation=each.collation)
    return _Asked(target=target, operator=each.operator, classes=tuple(classes)) if classes else None


def _keys(target: Target, asked: Sequence[_Asked], method: MethodName, catalog: Catalog) -> Iterator[Key]:
    """Yield the key by the operator class that serves all the operators, then by others that serve some.

    Of several, the class with the fewest operators makes the smallest index.
    """

    def by_size(classes: set[OperatorClass]) -> list[OperatorClass]:
        default = catalog.operators.default_class(target.type, method)
        return sorted(classes, key=lambda each: (catalog.operators.breadth(each), each != default, each.name))

    each_set = [set(each.of(method)) for each in asked]
    chosen = [*by_size(set[OperatorClass].intersection(*each_set))[:1], *(by_size(each)[0] for each in each_set)]
    return (target.key(each, catalog) for each in dict.fromkeys(chosen))


def _mixed(method: MethodName, keys: Sequence[Key], equal: tuple[Key, ...], reason: str) -> Iterator[Draft]:
    """Draft one index for all the operators, and one that the equalities lead."""
    if len(keys) > 1:
        yield Draft(method=method, keys=tuple(keys[:_MOST_KEYS]), reason=reason)
    if equal:
        names = ", ".join(key.column or "" for key in equal)
        together = (*equal, *keys)[: max(_MOST_KEYS, len(equal) + 1)]
        yield Draft(method=method, keys=together, reason=f"equality on {names}; {reason}")


def _reason(asked: Sequence[_Asked], target: Target) -> str:
    names = dict.fromkeys(each.operator.upper() for each in asked if each.target == target)
    collation = f" COLLATE {target.collation}" if target.collation else ""
    return f"{', '.join(names)} on {target.text}{collation}"
