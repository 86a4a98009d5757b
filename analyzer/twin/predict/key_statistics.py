"""What the rows of a table make of the keys of an index: how wide, how many different, how many of each."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from analyzer.documents.snapshot import ColumnStatistics, Relation
from analyzer.objects.index import Key
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.sql import ident
from analyzer.twin.predict.value_widths import Widths, value_widths

#: Header of an index tuple, and as much again for its bitmap of NULLs.
TUPLE_HEADER = 8
#: A value shorter than this, with its one byte of header, is not aligned.
_SHORT_VARLENA = 127
#: Width of a column that was not analysed, as get_typavgwidth() guesses for variable-length types.
_UNKNOWN_WIDTH = 32

_FIXED_WIDTHS = {
    "boolean": (1, 1), "smallint": (2, 2), "integer": (4, 4), "date": (4, 4), "real": (4, 4), "oid": (4, 4),
    "bigint": (8, 8), "double precision": (8, 8), "timestamp without time zone": (8, 8),
    "timestamp with time zone": (8, 8), "time without time zone": (8, 8), "uuid": (16, 1), "interval": (16, 8),
}  # fmt: skip
#: Types whose btree operator class has no equalimage support function: 1.0 and 1.00 are equal and differ.
_NOT_EQUAL_IMAGE = ("numeric", "real", "double precision", "jsonb", "interval")


#: Values, or combinations of values, by how frequent they are: (share of the rows each has, how many such).
Shares = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One key over the rows of a table, or over those that a partial index holds."""

    widths: Widths
    alignment: int
    distinct: float
    null_fraction: float
    #: The values, among the rows that have one.
    shares: Shares = ()
    #: Whether equal values are the same bytes; without it btree does not deduplicate.
    equal_image: bool = True

    @property
    def width(self) -> float:
        """Return the average width of a value."""
        return sum(width * share for width, share in self.widths)


def current_rows(relation: Relation) -> float:
    """Estimate the rows as the planner does: the analysed density times the current pages."""
    pages = (relation.size_bytes or 0) / BLOCK_BYTES
    if relation.tuples < 0:
        return 0.0
    return relation.tuples / relation.pages * pages if relation.pages else relation.tuples


def key_facts(key: Key, relation: Relation, statistics: Mapping[str, ColumnStatistics], rows: float) -> KeyFacts:
    """Gather what the statistics say of a key; an expression is taken for the column it wraps, else guessed at."""
    name = key.column or wrapped_column(key.expression or "", relation)
    column = relation.column(name) if name else None
    row = statistics.get(name) if name else None
    fixed = _FIXED_WIDTHS.get(column.type) if column else None
    equal_image = column is None or not column.type.startswith(_NOT_EQUAL_IMAGE)
    if row is None or column is None:
        width, alignment = fixed or (_UNKNOWN_WIDTH, 4)
        distinct, null_fraction = max(1.0, rows / 10), 0.0
        return KeyFacts(
            widths=((width, 1.0),),
            alignment=alignment,
            distinct=distinct,
            null_fraction=null_fraction,
            shares=((1 / distinct, distinct),),
            equal_image=equal_image,
        )
    distinct = row.distinct if row.distinct >= 0 else -row.distinct * rows
    return KeyFacts(
        widths=((fixed[0], 1.0),) if fixed else value_widths(column.type, row),
        alignment=fixed[1] if fixed else 1 if row.average_width < _SHORT_VARLENA else 4,
        distinct=max(1.0, distinct),
        null_fraction=row.null_fraction,
        shares=_shares(row, max(1.0, distinct)),
        equal_image=equal_image,
    )


def _shares(row: ColumnStatistics, distinct: float) -> Shares:
    """Split the values into the most common ones and the others, which are taken to be equally frequent."""
    present = max(1e-9, 1 - row.null_fraction)
    common = [min(1.0, frequency / present) for frequency in row.most_common_frequencies or ()]
    others = distinct - len(common)
    rest = max(0.0, 1 - sum(common))
    if others < 1:
        return binned((share, 1.0) for share in common) or ((1 / distinct, distinct),)
    return binned([*((share, 1.0) for share in common), (rest / others, others)])


def within(fact: KeyFacts, key: Key, where: str | None, rows: float, tuples: float) -> KeyFacts:
    """Narrow the facts about a table's rows to those a partial index holds."""
    if where is None or not rows or not tuples:
        return fact
    # Of a value that c rows have, each with the same chance s to be in the index, some is left with 1 - (1 - s)^c.
    left = 1 - (1 - min(1.0, tuples / rows)) ** (rows / fact.distinct)
    present = key.column is not None and _refuses_nulls(where, key.column)
    null_fraction = 0.0 if present else fact.null_fraction
    distinct = max(1.0, fact.distinct * left)
    shares = tuple((share / left, count * left) for share, count in fact.shares)
    return replace(fact, distinct=distinct, null_fraction=null_fraction, shares=shares)


def _refuses_nulls(where: str, column: str) -> bool:
    """Say whether a predicate is plainly false for rows without a value in a column."""
    name = re.escape(ident(column))
    compared = rf'(?<![\w".]){name}\)?(?:::[\w ]+)?\)?\s*(?:IS NOT NULL|[=<>~@&]|(?:NOT )?(?:IN|LIKE|ILIKE|BETWEEN)\b)'
    return re.search(compared, where, re.IGNORECASE) is not None and not re.search(r"\bOR\b", where, re.IGNORECASE)


def wrapped_column(expression: str, relation: Relation) -> str | None:
    """Return the text column that an expression such as lower(email) is as wide and as distinct as."""
    match = re.fullmatch(r"(?:lower|upper|btrim|reverse)\(\(?\"?(\w+)\"?\)?(?:::text)?\)", expression)
    column = relation.column(match[1]) if match else None
    return column.name if column is not None else None


def named_columns(expression: str, relation: Relation) -> list[str]:
    """Return the columns that an expression reads."""
    names = {column.name: re.escape(ident(column.name)) for column in relation.columns}
    return [name for name, quoted in names.items() if re.search(rf'(?<![\w".]){quoted}(?![\w"])', expression)]


def align(size: float, alignment: int) -> float:
    """Round a size up to a multiple of the alignment."""
    return math.ceil(size / alignment) * alignment


@lru_cache(maxsize=4096)
def entry_bytes(facts: tuple[KeyFacts, ...]) -> float:
    """Average size of an index tuple, MAXALIGNed; NULLs take no room but bring a bitmap.

    The average of aligned sizes, not the aligned average: numerics of 7 and of 9 bytes make entries of 16 and 24.
    """
    # Share of entries by size so far, and by whether a NULL is among them.
    sizes: dict[tuple[float, bool], float] = {(0, False): 1.0}
    for fact in facts:
        grown: dict[tuple[float, bool], float] = {}
        for (size, any_null), share in sizes.items():
            if fact.null_fraction:
                grown[size, True] = grown.get((size, True), 0.0) + share * fact.null_fraction
            for width, of_values in fact.widths:
                key = (align(size, fact.alignment) + width, any_null)
                grown[key] = grown.get(key, 0.0) + share * of_values * (1 - fact.null_fraction)
        sizes = grown
    return TUPLE_HEADER + sum((align(size, 8) + 8 * any_null) * share for (size, any_null), share in sizes.items())


@lru_cache(maxsize=4096)
def combined(keys: tuple[KeyFacts, ...]) -> Shares:
    """Combine the values of independent keys."""
    so_far: Shares = ((1.0, 1.0),)
    for key in keys:
        null = key.null_fraction if len(keys) > 1 else 0.0
        present = [(share * (1 - null), count) for share, count in key.shares]
        values = [*present, (null, 1.0)] if null else present
        so_far = binned((s * share, c * count) for s, c in so_far for share, count in values)
    return so_far


def binned(classes: Iterable[tuple[float, float]]) -> Shares:
    """Put classes of about the same share together, so that there are never many."""
    bins: dict[int, tuple[float, float]] = {}
    for share, count in classes:
        if share > 0 and count > 0:
            place = round(math.log2(share))
            total, number = bins.get(place, (0.0, 0.0))
            bins[place] = (total + share * count, number + count)
    return tuple((total / number, number) for total, number in bins.values())


def occurring(shares: Shares, tuples: float) -> float:
    """Estimate how many of so many combinations occur in so many rows.

    Of D that are equally frequent, n rows drawn at random leave out D e^(-n/D).
    """
    return max(1.0, min(tuples, sum(count * -math.expm1(-tuples * share) for share, count in shares)))
