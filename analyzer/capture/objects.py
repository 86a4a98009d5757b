"""Read the objects of users that plans and definitions can rest on beside types, functions and relations."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from analyzer.capture.reader import Reader
from analyzer.documents.schema_objects import ObjectDef, ObjectKind

_TEMPLATES: Final[dict[ObjectKind, str]] = {
    "collation": "collations",
    "text search parser": "text_search_parsers",
    "text search template": "text_search_templates",
    "text search dictionary": "text_search_dictionaries",
    "text search configuration": "text_search_configurations",
    "operator": "operators",
    "operator family": "operator_families",
    "operator class": "operator_classes",
    "aggregate": "aggregates",
    "cast": "casts",
    "rule": "rules",
    "trigger": "triggers",
}


def read_objects(reader: Reader, relations: Collection[int]) -> tuple[ObjectDef, ...]:
    """Read them, and rules and INSTEAD OF triggers of the given relations, by kind and in the order of their OIDs."""
    return tuple(_read(reader, relations))


def _read(reader: Reader, relations: Collection[int]) -> Iterator[ObjectDef]:
    for kind, template in _TEMPLATES.items():
        bind = {"relations": list(relations)} if kind in {"rule", "trigger"} else None
        yield from reader.records(kind, partial(ObjectDef, kind=kind), template, bind)


def read_dependencies(reader: Reader, known: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """Read which of the known objects depend on which others of them, as pairs of OIDs."""
    pairs = ((row["dependent"], row["referenced"]) for row in reader.rows("dependencies"))
    return tuple(pair for pair in pairs if known.issuperset(pair))
