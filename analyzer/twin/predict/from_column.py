"""Derive the statistics of an expression from those of the column it reads, without a sample.

The server evaluates the expression over the values that the statistics show.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection
from analyzer.documents.snapshot import Column, ColumnStatistics, Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.sql import render
from analyzer.twin.predict.column_values import Values, filled_values, shown_values
from analyzer.twin.predict.expression_statistics import Drawn, Image, image_statistics
from analyzer.twin.predict.from_captured import look_up_analysed
from analyzer.twin.predict.key_estimate import Learnt, LearntKey
from analyzer.twin.predict.key_statistics import current_rows, named_columns, wrapped_column

#: Shown values this much narrower than the average do not stand for the others: statistics leave out what is wide.
_NARROWER = 0.75
#: Share of the values there could be that must occur for all of them to be believed in.
_DENSE = 0.5
#: A few thousand calls of a function may take so long.
_LONGEST_MILLISECONDS = 2_000
#: By how much the share of values never seen may exceed what those seen once announce.
_UNEXPECTED = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """An expression, and the one column it reads."""

    connection: Connection
    expression: str
    column: Column
    statistics: ColumnStatistics
    rows: float


@dataclass(slots=True, kw_only=True)
class Derivation:
    """Learns the statistics of expressions that were analysed already or read one column each, every one once."""

    connection: Connection
    snapshot: Snapshot
    #: What is known, and whether that is a guess, by schema, table and expression.
    _found: dict[tuple[str, str, str], tuple[LearntKey | None, bool]] = field(
        default_factory=dict[tuple[str, str, str], tuple[LearntKey | None, bool]]
    )

    def learn(self, index: IndexDef) -> Learnt:
        """Derive statistics of the expressions of an index of this table (not of its partitions)."""
        keys: list[LearntKey] = []
        guessed = False
        for number, key in enumerate(index.keys, 1):
            if key.expression is None:
                continue
            name = (index.schema, index.table, key.expression)
            if name not in self._found:
                self._found[name] = self._look(index, number)
            known, is_guess = self._found[name]
            guessed |= is_guess
            keys += [replace(known, number=number)] if known is not None else []
        return Learnt(expressions=tuple(keys), guessed=guessed)

    def _look(self, index: IndexDef, number: int) -> tuple[LearntKey | None, bool]:
        analysed = look_up_analysed(self.connection, self.snapshot, index, number)
        relation, expression = self.snapshot.relation(index.schema, index.table), index.keys[number - 1].expression
        if analysed is not None or relation is None or expression is None:
            return analysed, analysed is None
        subject = _subject(self.connection, self.snapshot, relation, expression)
        if subject is None:
            return None, True
        evaluated = _evaluated(subject, number)
        return evaluated or _wrapped(subject, relation, number), evaluated is None


def _subject(connection: Connection, snapshot: Snapshot, relation: Relation, expression: str) -> _Subject | None:
    names = named_columns(expression, relation)
    column = relation.column(names[0]) if len(names) == 1 else None
    if column is None:
        return None
    statistics = snapshot.column_statistics(relation.schema_name, relation.name, column.name)
    rows = current_rows(relation)
    if statistics is None or rows < 1:
        return None
    return _Subject(connection=connection, expression=expression, column=column, statistics=statistics, rows=rows)


def _wrapped(subject: _Subject, relation: Relation, number: int) -> LearntKey | None:
    """Take lower(email) to be as wide and as distinct as the email; its values are others."""
    if wrapped_column(subject.expression, relation) is None:
        return None
    kept = subject.statistics.model_dump(include={"average_width", "null_fraction", "distinct"})
    names = {"schema_name": relation.schema_name, "relation": relation.name, "column": subject.column.name}
    return LearntKey(
        number=number, type=subject.column.type, statistics=ColumnStatistics(**names, inherited=False, **kept)
    )


def _evaluated(subject: _Subject, number: int) -> LearntKey | None:
    shown = shown_values(subject.statistics, subject.rows)
    found = _evaluate(subject, shown) if shown is not None else None
    if shown is None or not found or found[0]["special"] or not _stands_for_all(subject, shown, found):
        return None
    filled = filled_values(subject.column.type, subject.statistics, subject.rows)
    more = _evaluate(subject, filled) if filled is not None else None
    if filled is not None and more and (filled.distinct >= _DENSE * filled.possible or _is_alike(found, more)):
        shown, found = filled, more
    return _learnt(subject, number, shown, found)


def _evaluate(subject: _Subject, values: Values) -> list[DictRow] | None:
    """Evaluate over these values; None where the server cannot.

    It has only a stub of a function, or a slow one; the expression reads more than the column, or does not take what is
    between two values.
    """
    texts = _array(each.text for each in values.shown)
    query = render("twin/evaluate_expression", column=subject.column, expression=subject.expression, values=texts)
    try:
        with subject.connection.transaction():
            subject.connection.execute(render("twin/limit_evaluation"), {"milliseconds": _LONGEST_MILLISECONDS})
            return subject.connection.execute(query).fetchall()
    except psycopg.Error:
        if subject.connection.closed:
            raise
        return None


def _stands_for_all(subject: _Subject, shown: Values, found: Sequence[DictRow]) -> bool:
    pairs = [
        (each.weight, row["argument_width"])
        for each, row in zip(shown.shown, found, strict=True)
        if each.text is not None
    ]
    total = sum(weight for weight, _ in pairs)
    return not total or sum(weight * width for weight, width in pairs) >= (
        _NARROWER * subject.statistics.average_width * total
    )


def _is_alike(found: Sequence[DictRow], filled: Sequence[DictRow]) -> bool:
    """Say whether values from in between are such as the shown ones have, as far as those tell (Good, 1953)."""
    counts = Counter(row["value"] for row in found)
    once = sum(1 for count in counts.values() if count == 1) / len(found)
    strange = sum(row["value"] not in counts for row in filled) / len(filled)
    return strange - once < _UNEXPECTED


def _learnt(subject: _Subject, number: int, shown: Values, found: Sequence[DictRow]) -> LearntKey | None:
    images = tuple(
        Image(
            argument=row["argument"], place=row["place"], weight=each.weight, known=each.known, width=row["width"],
        )
        for each, row in zip(shown.shown, found, strict=True)
    )  # fmt: skip
    drawn = Drawn(
        images=images, distinct=shown.distinct, possible=shown.possible, exhaustive=shown.exhaustive,
        rows=subject.rows, correlation=subject.statistics.correlation,
    )  # fmt: skip
    target = subject.connection.execute(render("twin/read_target_sample")).fetchone()
    statistics = image_statistics(drawn, target=int(target["target"]) if target is not None else 100)
    if statistics is None:
        return None
    texts = {row["place"]: str(row["value"]) for row in found}
    row = ColumnStatistics(
        schema_name=subject.statistics.schema_name,
        relation=subject.statistics.relation,
        column=subject.column.name,
        inherited=False,
        null_fraction=statistics.null_fraction,
        average_width=max(1, round(statistics.average_width)),
        distinct=statistics.distinct,
        most_common_values=_array(texts[place] for place in statistics.common) if statistics.common else None,
        most_common_frequencies=statistics.frequencies or None,
        histogram_bounds=_array(texts[place] for place in statistics.bounds) if statistics.bounds else None,
        correlation=statistics.correlation,
    )
    return LearntKey(number=number, type=found[0]["type"], statistics=row)


def _array(values: Iterable[str | None]) -> str:
    """Write an array as PostgreSQL reads it."""
    quoted = (None if value is None else value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join("NULL" if value is None else f'"{value}"' for value in quoted) + "}"
