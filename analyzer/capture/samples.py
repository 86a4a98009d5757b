"""Read a bounded sample of each table's rows, if requested.

From it the twin learns what no statistics say of the rows: how an expression's values are distributed, how many rows a
predicate keeps, how large an index over elements gets.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg

from analyzer.capture.guard import ChangedError
from analyzer.capture.reader import REFUSALS, Reader, refusal
from analyzer.documents.snapshot import NotExamined, Relation, Sample
from analyzer.sql import ident

#: A value that is stored in more bytes than this is left out, and so is its column for the twin.
VALUE_BYTES = 8192
#: The same for its text, which may be much longer than what is stored compressed.
_VALUE_CHARACTERS = 4 * VALUE_BYTES
#: Text of one table's sample, and of all.
TABLE_BYTES = 16 * 1024**2
TOTAL_BYTES = 256 * 1024**2
#: Rows of a block where no statistics say.
_ROWS_PER_BLOCK = 40
#: How often fewer rows are tried where they turn out too wide.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples, and the tables without one."""

    samples: tuple[Sample, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """How to draw the rows: blocks first, then rows of them."""

    percent: float
    #: Of the rows in those blocks, 0 to 1.
    share: float
    rows: int


class _TooWideError(Exception):
    """The rows are wider than the sample may be."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows


def read_samples(
    reader: Reader, relations: Mapping[int, Relation], rows: int, *, unreadable: frozenset[int], block_bytes: int
) -> Samples:
    """Read at most so many rows of every table, the largest tables first; in order of schema and name."""
    samples: list[Sample] = []
    refused: list[NotExamined] = []
    left = TOTAL_BYTES
    tables = [(oid, table) for oid, table in relations.items() if table.kind in "rm" and table.size_bytes]
    for oid, table in sorted(tables, key=lambda each: -(each[1].size_bytes or 0)):
        what = f"sample of {ident(table.schema_name, table.name)}"
        if oid in unreadable:
            refused.append(NotExamined(what=what, reason="the role may not read all of its rows and columns"))
            continue
        if left <= 0:
            refused.append(
                NotExamined(what=what, reason=f"samples are limited to {TOTAL_BYTES // 1024**2} MB in total")
            )
            continue
        try:
            sample = _read_narrow(reader, table, rows, block_bytes)
        except ChangedError:
            continue  # its guard names it
        except (*REFUSALS, UnicodeDecodeError) as error:
            refused.append(NotExamined(what=what, reason=refusal(error)))
            continue
        left -= sum(map(len, sample.lines))
        samples.append(sample)
    return Samples(
        samples=tuple(sorted(samples, key=lambda sample: (sample.schema_name, sample.table))),
        not_examined=tuple(sorted(refused, key=lambda gap: gap.what)),
    )


def _read_narrow(reader: Reader, table: Relation, rows: int, block_bytes: int) -> Sample:
    """Read fewer rows if they are too wide."""
    for _ in range(_ATTEMPTS):
        try:
            return _read(reader, table, draw(table, rows, block_bytes))
        except _TooWideError as error:
            rows = max(1, error.rows * 4 // 5)
    raise psycopg.DataError(f"its rows are too wide for {TABLE_BYTES // 1024**2} MB")


def draw(table: Relation, rows: int, block_bytes: int) -> _Draw:
    """Choose blocks and a fraction of their rows as ANALYZE does: about one row per block."""
    blocks = max(1, (table.size_bytes or 0) // block_bytes)
    known = table.tuples >= 0 and table.pages > 0
    per_block = max(table.tuples / table.pages, 0.01) if known else _ROWS_PER_BLOCK
    if blocks * per_block <= rows:
        return _Draw(percent=100, share=1, rows=rows)
    # Two standard deviations fewer, so that the limit hardly ever cuts off the table's end.
    aimed = max(1.0, rows - 2 * math.sqrt(rows))
    drawn = min(1.0, rows / blocks)
    share = min(1.0, aimed / (drawn * blocks * per_block))
    return _Draw(percent=round(100 * drawn, 6) or 1e-6, share=round(share, 6) or 1e-6, rows=rows)


def _read(reader: Reader, table: Relation, drawn: _Draw) -> Sample:
    columns = tuple(column.name for column in table.columns if column.generated != "v")
    lines: list[str] = []
    flags: set[str] = set()
    size = 0
    question = reader.lines(
        "sample", about=table.full_name,
        schema=table.schema_name, table=table.name, columns=columns, value_bytes=VALUE_BYTES,
        percent=drawn.percent, share=drawn.share, rows=drawn.rows,
    )  # fmt: skip
    with contextlib.closing(question) as answer:
        for line in answer:
            flag, _, values = line.partition("\t")
            if len(values) > _VALUE_CHARACTERS:
                flag, values = _shortened(flag, values)
            size += len(values)
            if size > TABLE_BYTES:
                raise _TooWideError(len(lines))
            flags.add(flag)
            lines.append(values)
    return Sample(
        schema_name=table.schema_name,
        table=table.name,
        columns=columns,
        incomplete=tuple(_flagged(columns, flags)),
        lines=tuple(lines),
    )


def _shortened(flag: str, line: str) -> tuple[str, str]:
    """Exclude, and flag, values whose text is too long."""
    values = line.split("\t")
    long = [len(value) > _VALUE_CHARACTERS for value in values]
    flag = "".join("1" if is_long else before for before, is_long in zip(flag, long, strict=True))
    return flag, "\t".join("\\N" if is_long else value for value, is_long in zip(values, long, strict=True))


def _flagged(columns: tuple[str, ...], flags: set[str]) -> Iterator[str]:
    for position, column in enumerate(columns):
        if any(flag[position] == "1" for flag in flags):
            yield column
