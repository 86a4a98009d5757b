"""Derive the rows, the expression statistics and the size of an index from a sample of its table.

The sample's rows are loaded beside the empty table, once. An expression's values are put into a table of their own and
analysed, then estimated for the true number of rows. A GIN index over values whose elements no statistics count is
built over all of the sample, a third of it and a ninth, and its size extrapolated.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from analyzer.capture.reader import Reader
from analyzer.capture.statistics import as_column_statistics
from analyzer.db import Connection
from analyzer.documents.snapshot import ColumnStatistics, Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.sql import ident, render
from analyzer.twin.predict.analyze import Counted, Estimate, estimate
from analyzer.twin.predict.index_size import IndexSize, predict_size
from analyzer.twin.predict.key_estimate import Learnt, LearntKey, with_learnt
from analyzer.twin.predict.key_statistics import named_columns
from analyzer.twin.predict.sample_table import SCHEMA, SampleTable, load, sample_of, thinned

#: Fewer rows say too little.
_FEWEST_ROWS = 100
_FEWEST_KEPT = 30
#: Types whose elements pg_stats does not count, or not as an index does.
_UNCOUNTED = ("json", "tsvector", "hstore")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """An index, the sample of its table, and where that is loaded."""

    connection: Connection
    index: IndexDef
    source: SampleTable

    @property
    def relation(self) -> Relation:
        """The table."""
        return self.source.relation

    @property
    def table(self) -> str:
        """Name of the loaded sample."""
        return self.source.name

    @property
    def total_rows(self) -> float:
        """Of the table the sample is of."""
        return self.source.total_rows


def look_up(connection: Connection, snapshot: Snapshot, index: IndexDef) -> Learnt:
    """Derive statistics of an index of this table (not of its partitions) from the sample."""
    subject = _subject(connection, snapshot, index)
    if subject is None:
        return Learnt()
    try:
        with connection.transaction():
            load(connection, subject.source)
            return _examine(subject, snapshot)
    except psycopg.Error:
        if connection.closed:
            raise
        return Learnt()  # A function the twin has only a stub of, a value it cannot read: the statistics answer.


def _subject(connection: Connection, snapshot: Snapshot, index: IndexDef) -> _Subject | None:
    source = sample_of(snapshot, index.full_table)
    if source is None:
        return None
    relation, sample = source.relation, source.sample
    texts = [text for text in (index.where, *(key.expression for key in index.keys)) if text is not None]
    read = {name for text in texts for name in named_columns(text, relation)} | set(index.columns)
    wanted = bool(texts) or _is_uncounted(index, relation)
    if not wanted or read & set(sample.incomplete) or len(sample.lines) < min(_FEWEST_ROWS, source.total_rows):
        return None
    return _Subject(connection=connection, index=index, source=source)


def _is_uncounted(index: IndexDef, relation: Relation) -> bool:
    """Say whether it is a GIN index of elements that no statistics count."""
    columns = [relation.column(key.column) if key.column is not None else None for key in index.keys]
    types = [column.type if column is not None else None for column in columns]
    return index.method == "gin" and any(name is None or name.startswith(_UNCOUNTED) for name in types)


def _examine(subject: _Subject, snapshot: Snapshot) -> Learnt:
    index = subject.index
    rows, kept = _count(subject, subject.table)
    complete = rows >= subject.total_rows
    if kept < _FEWEST_KEPT and not complete:
        return Learnt()
    selectivity = kept / rows if index.where is not None and rows else None
    probed = _probe(subject, kept / rows * subject.total_rows) if rows else ()
    expressions = tuple(each for each in probed if index.keys[each.number - 1].expression is not None)
    if _is_uncounted(index, subject.relation):
        size = _extrapolated(subject, rows, kept)
    else:
        size = _predicted(subject, snapshot, probed, selectivity) if probed else None
    told = selectivity is not None or size is not None or bool(expressions)
    return Learnt(selectivity=selectivity, size=size, expressions=expressions, sampled=told)


def _count(subject: _Subject, table: str) -> tuple[int, int]:
    query = render("twin/count_sample", name=table, where=subject.index.where)
    row = subject.connection.execute(query).fetchone()
    return (int(row["rows"]), int(row["kept"])) if row is not None else (0, 0)


def _probe(subject: _Subject, total_rows: float) -> tuple[LearntKey, ...]:
    """Take the statistics of the expressions' values; of all keys' where the index holds a part of the rows."""
    index, connection = subject.index, subject.connection
    wanted = [
        (number, key.expression if key.expression is not None else ident(key.column or ""))
        for number, key in enumerate(index.keys, 1)
        if key.expression is not None or index.where is not None
    ]
    if not wanted:
        return ()
    query = "twin/create_probe_sample"
    connection.execute(render(query, name=subject.table, expressions=wanted, where=index.where))
    connection.execute(render("twin/analyze_probe_sample"))
    columns = connection.execute(render("twin/read_probe_sample")).fetchall()
    reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
    found = reader.rows("column_statistics", {"relations": [columns[0]["oid"]], "values": True})
    analysed = {row["column"]: as_column_statistics(row) for row in found}
    probed = tuple(
        LearntKey(
            number=number,
            type=column["type"],
            statistics=_for_table(connection, column["type"], analysed[column["name"]], total_rows),
        )
        for (number, _), column in zip(wanted, columns, strict=True)
        if column["name"] in analysed
    )
    connection.execute(render("twin/drop_probe_sample"))
    return probed


def _for_table(connection: Connection, type_name: str, row: ColumnStatistics, total_rows: float) -> ColumnStatistics:
    """Say of so many rows what ANALYZE said of the sample's."""
    if row.correlation is None and row.most_common_values is None:
        return row  # Nothing but NULLs, one value, or values that do not sort.
    counted = _counted(connection, row.column)
    target = connection.execute(render("twin/read_target_sample")).fetchone()
    found = estimate(counted, total_rows=total_rows, target=int(target["target"]) if target else 100)
    if type_name.endswith("[]"):
        return row.model_copy(update={"distinct": found.distinct})
    return row.model_copy(update={"distinct": found.distinct, **_values(connection, row.column, found)})


def _counted(connection: Connection, column: str) -> Counted:
    rows = connection.execute(render("twin/count_probe_sample", column=column)).fetchall()
    return Counted(
        counts=tuple((place, row["count"]) for place, row in enumerate(rows) if not (row["absent"] or row["wide"])),
        rows=sum(row["count"] for row in rows),
        absent=sum(row["count"] for row in rows if row["absent"]),
        wide=sum(row["count"] for row in rows if row["wide"]),
    )


def _values(connection: Connection, column: str, found: Estimate) -> Mapping[str, object]:
    bind = {"common": list(found.common), "bounds": list(found.bounds)}
    picked = connection.execute(render("twin/pick_probe_sample", column=column), bind).fetchone() or {}
    return {
        "most_common_values": picked.get("common"),
        "most_common_frequencies": found.frequencies or None,
        "histogram_bounds": picked.get("bounds"),
    }


def _predicted(
    subject: _Subject, snapshot: Snapshot, probed: Sequence[LearntKey], selectivity: float | None
) -> IndexSize:
    """Predict as from statistics: those of the rows that the index holds."""
    index, known = with_learnt(subject.index, snapshot, probed)
    table = known.relations[0]
    held = table.model_copy(update={"tuples": table.tuples * (1.0 if selectivity is None else selectivity)})
    of_index = known.model_copy(update={"relations": (held, *known.relations[1:])})
    return predict_size(replace(index, where=None), of_index)


def _extrapolated(subject: _Subject, rows: int, kept: int) -> IndexSize | None:
    """Go on from the sizes over parts of the sample to the table's number of rows, both logarithmic.

    Where growth slows down within the sample, as words are seen again, it is taken to slow down as much beyond.
    """
    total = kept / rows * subject.total_rows
    tables = (subject.table, thinned(subject.table), thinned(thinned(subject.table)))
    counts = (kept, *(_count(subject, table)[1] for table in tables[1:]))
    large, small, smallest = (_pages(subject, table) for table in tables)
    if not 0 < counts[2] < counts[1] < kept or small < 2 or large < small:
        return None
    if total <= kept:
        return IndexSize(pages=large, tuples=round(total))
    # All but the metapage grows.
    steps = [math.log(more / fewer) for more, fewer in itertools.pairwise((total, *counts))]
    slope = math.log((large - 1) / (small - 1)) / steps[1]
    if smallest > 2:  # of fewer pages the slope is but chance
        before = math.log((small - 1) / (smallest - 1)) / steps[2]
        slope += min(0.0, slope - before) * (steps[0] + steps[1]) / (steps[1] + steps[2])
    pages = 1 + (large - 1) * (total / kept) ** min(1.0, max(0.0, slope))
    return IndexSize(pages=math.ceil(pages), tuples=round(total))


def _pages(subject: _Subject, table: str) -> int:
    index = replace(subject.index, schema=SCHEMA, table=table, name="sampled", unique=False, tablespace=None)
    connection = subject.connection
    connection.execute(render("twin/statement", statement=index.ddl()))
    name = {"index": ident(SCHEMA, "sampled"), "block_bytes": BLOCK_BYTES}
    row = connection.execute(render("twin/size_sample"), name).fetchone()
    connection.execute(render("index/drop_index", schema=SCHEMA, name="sampled", concurrently=False))
    return int(row["pages"]) if row is not None else 0
