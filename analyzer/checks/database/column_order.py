"""Tables whose rows have room for alignment between their columns that another order would not need."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.amounts import percent, short, size
from analyzer.catalog import Catalog, type_name
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Column, Relation
from analyzer.sql import ident

_LEAST_BYTES = Threshold(
    name="column-order.size", default=1024**3, unit="bytes", meaning="tables that waste less are not reported"
)
_LEAST_SHARE = Threshold(
    name="column-order.share",
    default=0.1,
    unit="of the table",
    meaning="tables that waste less of theirs are not reported",
)
#: By type, length and alignment of PostgreSQL's own types of one length; typlen and typalign of pg_type.
_FIXED: Mapping[str, tuple[int, int]] = {
    "boolean": (1, 1), '"char"': (1, 1), "uuid": (16, 1), "smallint": (2, 2), "integer": (4, 4), "oid": (4, 4),
    "real": (4, 4), "date": (4, 4), "bigint": (8, 8), "double precision": (8, 8), "money": (8, 8),
    "timestamp without time zone": (8, 8), "timestamp with time zone": (8, 8), "time without time zone": (8, 8),
    "time with time zone": (12, 8), "interval": (16, 8),
}  # fmt: skip
#: PostgreSQL's own types of any length, which are not aligned while they are short.
_VARYING = frozenset({
    "text", "character varying", "character", "numeric", "jsonb", "json", "bytea", "inet", "cidr", "bit varying",
})  # fmt: skip
#: The most bytes of a value with a header of one byte.
_SHORT = 126
_ALIGNMENT, _HEADER = 8, 23
#: Columns that are NULL in more rows take no room in most.
_MOST_NULLS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a column takes in a row."""

    bytes: float
    alignment: int
    is_varying: bool = False


def column_order(database: Database) -> Iterator[Answer]:
    """Flag large tables whose columns, in another order, would take notably less room."""
    catalog = database.catalog
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        name = ident(*relation.full_name)
        if relation.kind != "r":
            continue
        held = relation.size_bytes or 0
        if held < database.value(_LEAST_BYTES):
            yield Fine(object=name)
            continue
        places = _places(relation, catalog)
        if isinstance(places, str) or relation.tuples <= 0:
            yield Skipped(object=name, reason=places if isinstance(places, str) else "the table was never analyzed")
            continue
        now, best = (_row_bytes(each, len(relation.columns)) for each in (places, sorted(places, key=_first)))
        wasted = min(max(0.0, now - best) * relation.tuples, float(held))
        if wasted < database.value(_LEAST_BYTES) or wasted / held < database.value(_LEAST_SHARE):
            yield Fine(object=name)
        else:
            yield _wasteful(name, relation, now - best, wasted)


def _wasteful(name: str, relation: Relation, each: float, wasted: float) -> Flagged:
    held = relation.size_bytes or 0
    return Flagged(
        object=name,
        message=f"about {short(each)} bytes of each row align its columns and are not needed in another order: "
        f"{size(round(wasted))}, {percent(wasted / held)} of the table, which each sequential scan reads",
        evidence=(
            Fact(name="bytes_per_row", value=round(each, 1), unit="bytes"),
            Fact(name="wasted", value=round(wasted), unit="bytes"),
            Fact(name="size", value=held, unit="bytes"),
        ),
        caveats=("the order of columns can only be changed by making the table again",),
        rewrite="when the table is made again anyway: first columns of 8 bytes, then of 4, 2 and 1, and those of any "
        "length last",
        confidence="estimate",
    )


def _places(relation: Relation, catalog: Catalog) -> list[_Place] | str:
    """Return what the columns take, in their order; or why that is not known."""
    enums = {each.name for each in catalog.snapshot.types if each.kind == "e"}
    found: list[_Place] = []
    for column in relation.columns:
        known = catalog.statistics(relation, column.name)
        if known is None:
            return "its columns have no statistics, or the role may not see them"
        if known.null_fraction > _MOST_NULLS or column.generated == "v":
            continue
        place = _place(column, float(known.average_width), catalog, enums)
        if place is None:
            return f"the alignment of type {column.type} is not known"
        found.append(place)
    return found


def _place(column: Column, width: float, catalog: Catalog, enums: set[str]) -> _Place | None:
    kind = type_name(catalog.underlying(column.type))
    if kind in enums:
        return _Place(bytes=4, alignment=4)
    if (fixed := _FIXED.get(kind)) is not None:
        return _Place(bytes=fixed[0], alignment=fixed[1])
    if kind in _VARYING:
        return _Place(bytes=width, alignment=1 if width <= _SHORT else 4, is_varying=True)
    return None


def _first(place: _Place) -> tuple[bool, int]:
    return place.is_varying, -place.alignment


def _row_bytes(places: Sequence[_Place], columns: int) -> float:
    """Return the length of a row; what stands behind a value of any length is aligned by the average room."""
    held = 0.0
    phase: int | None = 0  # where a row's next byte is within eight, while that is the same in all rows
    for each in places:
        room = (-phase) % each.alignment if phase is not None else (each.alignment - 1) / 2
        held += room + each.bytes
        if each.is_varying:
            phase = None
        elif phase is not None:
            phase = int(phase + room + each.bytes) % _ALIGNMENT
        elif each.alignment == _ALIGNMENT:
            phase = int(each.bytes) % _ALIGNMENT
    header = math.ceil((_HEADER + math.ceil(columns / 8)) / _ALIGNMENT) * _ALIGNMENT
    return header + held + ((-phase) % _ALIGNMENT if phase is not None else (_ALIGNMENT - 1) / 2)


RULES = (
    HealthRule(
        code="TX514", name="column-order", severity="info",
        title="columns in another order would take notably less room",
        examine=column_order, thresholds=(_LEAST_BYTES, _LEAST_SHARE),
    ),
)  # fmt: skip
