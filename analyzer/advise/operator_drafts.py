"""Draft the indexes that serve one table's operators: GIN, GiST and their like."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.catalog import Catalog, type_name
from analyzer.documents.snapshot import Column, Relation
from analyzer.objects.index import Key
from analyzer.postgres.patterns import has_prefix, has_trigram
from analyzer.workload.shapes import OperatorPredicate, TableShape

_JSON_PATH_OPERATORS = frozenset({"@>", "@?", "@@"})
_JSON_KEY_OPERATORS = frozenset({"?", "?|", "?&"})
_ARRAY_OPERATORS = frozenset({"@>", "<@", "&&"})
_RANGE_OPERATORS = frozenset({"@>", "<@", "&&", "<<", ">>", "&<", "&>", "-|-"})
_NETWORK_OPERATORS = frozenset({"<<", "<<=", ">>", ">>=", "&&"})
_TRIGRAM_OPERATORS = frozenset({"like", "ilike", "~", "~*", "%", "<%", "%>", "<<%", "%>>"})


def operator_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each operator that has an access method of its own."""
    for each in shape.operators[:MOST_EXPRESSIONS]:
        column = relation.column(each.column)
        if column is None:
            continue
        reason = f"{each.operator.upper()} on {each.expression or each.column}"
        if each.expression is not None:
            yield from _expression_operator(each, catalog, reason)
        else:
            yield from _column_operator(each, column, catalog, reason)


def _column_operator(each: OperatorPredicate, column: Column, catalog: Catalog, reason: str) -> Iterator[Draft]:
    key = Key(column=each.column)
    match catalog.family(column):
        case "jsonb" if each.operator in _JSON_PATH_OPERATORS:
            yield Draft(method="gin", keys=(Key(column=each.column, opclass="jsonb_path_ops"),), reason=reason)
        case "jsonb" if each.operator in _JSON_KEY_OPERATORS:
            yield Draft(method="gin", keys=(key,), reason=reason)
        case "array" if each.operator in _ARRAY_OPERATORS:
            yield Draft(method="gin", keys=(key,), reason=reason)
        case "tsvector" if each.operator == "@@":
            yield Draft(method="gin", keys=(key,), reason=reason)
        case "range" if each.operator in _RANGE_OPERATORS:
            yield Draft(method="gist", keys=(key,), reason=reason)
        case "network" if each.operator in _NETWORK_OPERATORS:
            yield Draft(method="gist", keys=(Key(column=each.column, opclass="inet_ops"),), reason=reason)
        case "text" if each.operator in _TRIGRAM_OPERATORS and type_name(column.type) != "character":
            yield from _trigram(key, each, catalog, reason)
            if each.operator == "like" and has_prefix(each.value) and not catalog.is_c_collation(column):
                yield Draft(keys=(Key(column=each.column, opclass="text_pattern_ops"),), reason=reason)
        case _:
            pass


def _expression_operator(each: OperatorPredicate, catalog: Catalog, reason: str) -> Iterator[Draft]:
    key = Key(expression=each.expression)
    if each.operator == "@@" and (each.expression or "").startswith("to_tsvector("):
        yield Draft(method="gin", keys=(key,), reason=reason)
    elif each.operator in _TRIGRAM_OPERATORS:
        yield from _trigram(key, each, catalog, reason)
    elif each.operator in _JSON_PATH_OPERATORS and " -> " in (each.expression or ""):
        yield Draft(method="gin", keys=(replace(key, opclass="jsonb_path_ops"),), reason=reason)


def _trigram(key: Key, each: OperatorPredicate, catalog: Catalog, reason: str) -> Iterator[Draft]:
    """A pattern without three letters in a row has no trigram, and would read the whole index."""
    opclass = catalog.opclass("gin_trgm_ops", "pg_trgm")
    if opclass is not None and has_trigram(each.value):
        yield Draft(method="gin", keys=(replace(key, opclass=opclass),), reason=reason)
