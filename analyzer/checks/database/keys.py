"""Sequences and keys whose values run out: by what the sequence counts to, and what the type of its column holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.amounts import percent
from analyzer.catalog import Catalog, type_name
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact, Severity
from analyzer.documents.snapshot import Relation, SequenceDef
from analyzer.sql import Sql, ident

_SHARE = Threshold(
    name="key-runs-out.share", default=0.5, unit="of the values", meaning="keys that have used less are not reported"
)
_ERROR = Threshold(
    name="key-runs-out.error", default=0.9, unit="of the values", meaning="keys that have used as much are an error"
)
#: Bytes of a value.
_BYTES: Mapping[str, int] = {"smallint": 2, "integer": 4, "bigint": 8}
#: Smallest and largest value.
_BOUNDS: Mapping[str, tuple[int, int]] = {
    kind: (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) for kind, size in _BYTES.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where values end, and what of a database says so."""

    value: int
    #: Such as "the type integer of public.t.id".
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """How far values are from where they began to where they end."""

    start: int
    last: int
    end: _End

    @property
    def share(self) -> float:
        """The share of the values that is used, 0 to 1."""
        whole = self.end.value - self.start
        return min(1.0, max(0.0, (self.last - self.start) / whole)) if whole else 1.0


def runs_out(database: Database) -> Iterator[Answer]:
    """Flag sequences near their end or that of their column's type, and keys without a sequence near theirs."""
    snapshot = database.catalog.snapshot
    if snapshot.sequences is None:
        name = ident(snapshot.server.database)
        yield Skipped(object=name, reason="the snapshot does not have the sequences; capture it again")
    for sequence in snapshot.sequences or ():
        yield _of_sequence(sequence, database)
    yield from _of_keys(database)


def _of_sequence(sequence: SequenceDef, database: Database) -> Answer:
    name = ident(sequence.schema_name, sequence.name)
    end = _end(sequence, database.catalog)
    if end is None:
        return Fine(object=name)  # it begins again before its column is full
    if sequence.called is None:
        why = "the role may not read its last value: GRANT SELECT on it, or pg_read_all_data"
        return Skipped(object=name, reason=why if database.catalog.snapshot.values else "no values were captured")
    if not sequence.called or sequence.last_value is None:
        return Fine(object=name)
    start = sequence.minimum if sequence.increment > 0 else sequence.maximum
    columns = [ident(*each) for each in sequence.columns]
    facts = (
        *(Fact(name="column", value=each) for each in columns),
        Fact(name="increment", value=sequence.increment),
    )
    return _answer(name, _Use(start=start, last=sequence.last_value, end=end), facts, database)


def _end(sequence: SequenceDef, catalog: Catalog) -> _End | None:
    """Return the last value that a sequence gives and its columns hold; None where it begins again before."""
    is_up = sequence.increment > 0
    own = sequence.maximum if is_up else sequence.minimum
    ends = [] if sequence.cycle else [_End(value=own, because="its own " + ("MAXVALUE" if is_up else "MINVALUE"))]
    for schema, table, column in sequence.columns:
        kind = _integer(catalog.find(schema, table), column, catalog)
        if kind is not None:
            ends.append(_End(value=_BOUNDS[kind][is_up], because=f"the type {kind} of {ident(schema, table, column)}"))
    nearest = min(ends, key=lambda each: each.value if is_up else -each.value, default=None)
    if nearest is None or (sequence.cycle and (nearest.value >= own if is_up else nearest.value <= own)):
        return None
    return nearest


def _integer(relation: Relation | None, column: str, catalog: Catalog) -> str | None:
    """Return the integer type of a column; None for another one."""
    found = relation.column(column) if relation is not None else None
    kind = type_name(catalog.underlying(found.type)) if found is not None else ""
    return kind if kind in _BOUNDS else None


def _of_keys(database: Database) -> Iterator[Answer]:
    """Answer for primary keys whose values come from no sequence, by the largest value that was captured."""
    catalog = database.catalog
    counted = {column for each in catalog.snapshot.sequences or () for column in each.columns}
    largest = {(each.schema_name, each.table, each.column): each.maximum for each in catalog.snapshot.extremes}
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        keys = [each.columns[0] for each in relation.constraints if each.kind == "p" and len(each.columns) == 1]
        if catalog.snapshot.sequences is None or relation.kind != "r":
            continue
        for column in keys:
            kind, place = _integer(relation, column, catalog), (relation.schema_name, relation.name, column)
            if kind is None or place in counted or _is_counted_above(relation, column, counted, catalog):
                continue
            yield _of_key(ident(*place), largest.get(place), kind, database)


def _is_counted_above(relation: Relation, column: str, counted: set[tuple[str, str, str]], catalog: Catalog) -> bool:
    """Say whether a table that this one is a part of has the sequence."""
    pending, seen = [*relation.parents], set[tuple[str, str]]()
    while pending:
        parent = pending.pop()
        if (*parent, column) in counted:
            return True
        found = catalog.find(*parent) if parent not in seen else None
        seen.add(parent)
        pending += found.parents if found is not None else ()
    return False


def _of_key(name: Sql, largest: str | None, kind: str, database: Database) -> Answer:
    try:
        value = int(largest or "")
    except ValueError:
        return Skipped(object=name, reason="the largest value of the key was not captured")
    end = _End(value=_BOUNDS[kind][1], because=f"its type {kind}")
    return _answer(name, _Use(start=min(1, value), last=value, end=end), (), database)


def _answer(name: Sql, use: _Use, facts: tuple[Fact, ...], database: Database) -> Fine | Flagged:
    value, end, share = use.last, use.end, use.share
    if share < database.value(_SHARE):
        return Fine(object=name)
    severity: Severity | None = "error" if share >= database.value(_ERROR) else None
    left = abs(end.value - value) if share < 1 else 0
    return Flagged(
        object=name,
        message=f"{percent(share)} of its values are used: the last one is {value:,}, and {end.because} ends at "
        f"{end.value:,}, {left:,} further on",
        severity=severity,
        evidence=(
            Fact(name="last_value", value=value),
            Fact(name="end", value=end.value),
            Fact(name="share_used", value=round(share, 6)),
            *facts,
        ),
        rewrite="ALTER SEQUENCE … AS bigint takes a moment; a column that becomes bigint is rewritten under ACCESS "
        "EXCLUSIVE: for a large table add a bigint column, fill it in batches, and exchange the two",
    )


RULES = (
    HealthRule(
        code="TX511", name="key-runs-out", severity="warning",
        title="sequence or key has used most of its values", examine=runs_out, thresholds=(_SHARE, _ERROR),
    ),
)  # fmt: skip
