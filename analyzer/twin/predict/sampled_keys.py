"""Derive extended statistics of keys, and how they depend on each other, from a sample of their table.

ANALYZE of a table that is only a sample takes it for the whole. A dependency is the same of both. How many combinations
of values there are, and which of them are common, is recalculated for the sampled table, as mvdistinct.c and mcv.c do.
"""

import contextlib
import itertools
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from analyzer.capture.extended import read_extended
from analyzer.capture.reader import Reader
from analyzer.db import Connection
from analyzer.documents.measured import ColumnStatistics, CommonCombination, DistinctCombinations, ExtendedData
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.statistics import StatisticsDef
from analyzer.sql import ident, render
from analyzer.twin.predict.from_sample import look_up
from analyzer.twin.predict.sample_table import SampleTable, load
from analyzer.twin.server.sessions import Sessions

#: Frequent values of a key that are combined with those of another one.
_MOST_VALUES = 100
#: A combination tells something from so many rows on that there are, or would have to be.
_FEWEST_ROWS = 30
#: Pairs of rows that agree in two keys, for their number to tell something.
_FEWEST_PAIRS = 100
#: Keys depend on each other where their combinations are this many times more, or less, frequent than they would be.
LEAST_RATIO = 2.0
_LEAST_APART = 4.0
_DEFAULT_TARGET = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How two keys of a sample go together."""

    #: How many times more frequent a row's combination is, on average, than its values would let expect.
    ratio: float
    #: Whether some combination of frequent values is far more, or far less, frequent than that.
    is_apart: bool

    @property
    def is_notable(self) -> bool:
        """Say whether estimates that take the keys for independent are wrong."""
        return self.ratio >= LEAST_RATIO or self.is_apart


@contextlib.contextmanager
def _probed(connection: Connection, table: SampleTable, keys: Sequence[str]) -> Generator[None]:
    """Keep the values of keys, which are SQL, as columns k1, k2, … of a scratch table while the block runs."""
    with connection.transaction():
        load(connection, table)
    numbered = list(enumerate(keys, 1))
    connection.execute(render("twin/create_probe_sample", name=table.name, expressions=numbered, where=None))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(render("twin/drop_probe_sample"))


def dependence(connection: Connection, table: SampleTable, first: str, second: str) -> Dependence | None:
    """Compare two keys; None where too few rows agree in them. Raises psycopg.Error for keys that do not sort."""
    with _probed(connection, table, (first, second)):
        limits = {"most": _MOST_VALUES, "fewest": _FEWEST_ROWS, "ratio": _LEAST_APART}
        row = connection.execute(render("twin/compare_sample", **limits)).fetchone()
    if row is None or row["rows"] < 2:
        return None
    together, expected, rows = float(row["together"]), float(row["expected"]), float(row["rows"])
    known = together >= 2 * _FEWEST_PAIRS and expected > 0
    ratio = together / (rows - 1) / (expected / rows) if known else 1.0
    return Dependence(ratio=ratio, is_apart=bool(row["apart"])) if known or row["apart"] else None


def combinations(connection: Connection, table: SampleTable, keys: Sequence[str]) -> float:
    """Estimate how many combinations of values keys have in the table; raises psycopg.Error."""
    with _probed(connection, table, keys):
        return _combined(connection, table, range(1, len(keys) + 1))


def sampled_data(
    sessions: Sessions, snapshot: Snapshot, table: SampleTable, definition: StatisticsDef
) -> ExtendedData | None:
    """Return what ANALYZE would find for extended statistics, whose columns are in the table's order.

    Raises psycopg.Error where it would fail, or an expression cannot be computed; None where the sample tells nothing.
    """
    connection = sessions.captured
    found = [_of_expression(connection, snapshot, definition, each) for each in definition.expressions]
    expressions = tuple(
        None if row is None else row.model_copy(
            update={"schema_name": definition.schema, "relation": definition.name, "column": str(position)}
        )
        for position, row in enumerate(found, 1)
    )  # fmt: skip
    keys = [*map(ident, definition.columns), *definition.expressions]
    if len(keys) == 1:
        return ExtendedData(inherited=False, expressions=expressions) if any(expressions) else None
    kinds = definition.kinds or ("ndistinct", "dependencies", "mcv")
    with _probed(connection, table, keys):
        read = None
        if server_kinds := [kind for kind in kinds if kind != "ndistinct"]:
            read = _analysed(sessions, server_kinds, len(keys))
        return ExtendedData(
            inherited=False,
            distinct=tuple(_distinct(connection, table, len(keys))) if "ndistinct" in kinds else None,
            dependencies=read.dependencies if read is not None else None,
            most_common=_common(read.most_common or (), table, definition, snapshot) if read is not None else None,
            expressions=expressions,
        )


def _of_expression(
    connection: Connection, snapshot: Snapshot, definition: StatisticsDef, expression: str
) -> ColumnStatistics | None:
    index = IndexDef(
        schema=definition.schema, table=definition.table, name="", keys=(Key(expression=expression),)
    )  # fmt: skip
    learnt = look_up(connection, snapshot, index)
    return learnt.expressions[0].statistics if learnt.expressions else None


def _analysed(sessions: Sessions, kinds: Sequence[str], keys: int) -> ExtendedData | None:
    """Have the server analyse the keys, and read what it found, which only a superuser sees in full."""
    connection, superuser = sessions.captured, sessions.superuser
    connection.execute(render("twin/extend_sample", kinds=kinds, keys=keys))
    connection.execute(render("twin/target_extended_sample"))
    connection.execute(render("twin/analyze_probe_sample"))
    columns = connection.execute(render("twin/read_probe_sample")).fetchall()
    reader = Reader(connection=superuser, major=sessions.major)
    with superuser.transaction():
        reader.fix_session()
        found = read_extended(reader, [int(columns[0]["oid"])], values=True).statistics
    return found[0].data[0] if found and found[0].data else None


def _distinct(connection: Connection, table: SampleTable, keys: int) -> Generator[DistinctCombinations]:
    for size in range(2, keys + 1):
        for some in itertools.combinations(range(1, keys + 1), size):
            found = _combined(connection, table, some)
            yield DistinctCombinations(keys=tuple(key - 1 for key in some), distinct=found)


def _combined(connection: Connection, table: SampleTable, keys: Sequence[int]) -> float:
    """Estimate with Haas and Stokes' Duj1 (IBM Research Report RJ 10025, 1996), as estimate_ndistinct() does."""
    row = connection.execute(render("twin/combine_sample", keys=list(keys))).fetchone()
    if row is None or not row["rows"]:
        return 0.0
    rows, distinct, once = float(row["rows"]), float(row["distinct"]), float(row["once"])
    total = max(table.total_rows, rows)
    return float(math.floor(min(max(rows * distinct / (rows - once + once * rows / total), distinct), total) + 0.5))


def _common(
    items: Sequence[CommonCombination], table: SampleTable, definition: StatisticsDef, snapshot: Snapshot
) -> tuple[CommonCombination, ...] | None:
    """Keep the combinations that are frequent enough to be sure of (get_mincount_for_mcv_list()), up to the target."""
    rows, total = float(len(table.sample.lines)), max(table.total_rows, float(len(table.sample.lines)))
    divisor = total - rows + 0.04 * rows * (total - 1)
    fewest = rows * (total - rows) / divisor if divisor > 0 else 0.0
    kept = itertools.takewhile(
        lambda item: item.frequency * rows >= fewest - 1e-6, items[: _target(definition, table, snapshot)]
    )
    return tuple(kept) or None


def _target(definition: StatisticsDef, table: SampleTable, snapshot: Snapshot) -> int:
    """Return the statistics target: its own, else the largest of its columns'."""
    if definition.target is not None:
        return definition.target
    default = snapshot.settings.get("default_statistics_target", "")
    usual = int(default) if default.isdecimal() else _DEFAULT_TARGET
    columns = (table.relation.column(name) for name in definition.columns)
    own = [column.statistics_target for column in columns if column is not None]
    return max((usual if each is None or each < 0 else each for each in own), default=usual)
