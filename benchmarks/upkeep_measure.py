"""Writes to a table with more and more indexes: the time on the processor, and the WAL, that each index adds.

The time is the backend's own on the processor, in nanoseconds, as Linux accounts for it: other work on the machine
counts only as far as it takes caches away. Every case has a fresh table. The least of some repetitions is taken.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from psycopg import sql

from analyzer.db import Connection
from analyzer.sql import render

Write = Literal["insert", "update", "delete"]

#: What the server is started with: neither checkpoints nor their full pages are measured, nor is the disk waited for.
SETTINGS: Mapping[str, str] = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "16GB",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "256MB",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
}
COUNTS = (1, 2, 5, 10)
EXTENSIONS = ("pg_trgm", "btree_gist", "bloom", "vector", "pageinspect")
_REPETITIONS = 3
_DIMENSIONS = 96
#: Of either table.
_ROWS_PER_PAGE, _VECTOR_ROWS_PER_PAGE = 44, 13
#: The table of vectors, and the rows that are inserted into either.
_VECTOR_ROWS, _SOURCE_ROWS = 30_000, 320_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Indexes of one definition, and writes that concern it."""

    name: str
    method: str
    #: What follows ON account.
    definition: str
    #: The SET clause of an UPDATE that changes it.
    change: str
    #: Rows of the table, and of a batch of inserts.
    rows: int = 200_000
    batch: int = 6_000
    #: A method of pgvector: with the column of vectors.
    vectors: bool = False
    counts: tuple[int, ...] = COUNTS

    def scaled(self, scale: float) -> "Case":
        """Return the case with more or fewer rows."""
        return replace(self, rows=round(self.rows * scale), batch=max(50, round(self.batch * scale)))

    @property
    def pages(self) -> int:
        """Return the pages whose rows are as many as a batch, about."""
        return self.batch // (_VECTOR_ROWS_PER_PAGE if self.vectors else _ROWS_PER_PAGE)

    def ddl(self, number: int) -> str:
        """Return the statement that creates one of the indexes."""
        return f"CREATE INDEX {self.index(number)} ON account {self.definition}"

    def index(self, number: int) -> str:
        """Name one of the indexes."""
        return f"ix_{number}"


_BALANCE, _CODE = "balance = a.balance + 7919", "code = pg_catalog.reverse(a.code)"
_SPOT, _ID = "spot = pg_catalog.point(a.spot[1], a.spot[0])", "id = -a.id"
_TAGS = "tags = ARRAY[a.tags[5] + 1, a.tags[4] + 1, a.tags[3] + 1, a.tags[2] + 1, a.tags[1] + 1]"
_EMBEDDING = "embedding = a.embedding OPERATOR(public.+) a.embedding"


def _vectors(method: str, definition: str, batch: int) -> Case:
    return Case(
        name=method, method=method, definition=definition, change=_EMBEDDING, rows=12_000, batch=batch, vectors=True,
        counts=(1, 2, 5),
    )  # fmt: skip


def _case(name: str, definition: str, change: str) -> Case:
    method = definition.removeprefix("USING ").split()[0] if definition.startswith("USING ") else "btree"
    return Case(name=name, method=method, definition=definition, change=change)


CASES: Sequence[Case] = (
    _case("btree, integer", "(balance)", _BALANCE),
    _case("btree, ascending", "(id)", _ID),
    _case("btree, duplicates", "(branch)", "branch = 1000 - a.branch"),
    _case("btree, text", "(code)", _CODE),
    _case("btree, wide", "(branch, balance, noted) INCLUDE (code, name)", _BALANCE),
    _case("btree, partial (10 %)", "(balance) WHERE branch < 100", _BALANCE),
    _case("btree, expression", "((lower(code)))", _CODE),
    _case("hash", "USING hash (balance)", _BALANCE),
    _case("gin", "USING gin (tags) WITH (gin_pending_list_limit = 128)", _TAGS),
    _case("gist, point", "USING gist (spot)", _SPOT),
    _case("gist, integer", "USING gist (balance)", _BALANCE),
    _case("spgist, point", "USING spgist (spot)", _SPOT),
    _case("spgist, text", "USING spgist (code)", _CODE),
    _case("brin", "USING brin (id)", _ID),
    _case("bloom", "USING bloom (balance, branch)", _BALANCE),
    _vectors("ivfflat", "USING ivfflat (embedding vector_l2_ops) WITH (lists = 50)", 400),
    _vectors("hnsw", "USING hnsw (embedding vector_l2_ops)", 100),
    _case("gin, fastupdate off", "USING gin (tags) WITH (fastupdate = off)", _TAGS),
    _case("gin, trigrams", "USING gin (name gin_trgm_ops)", "name = pg_catalog.reverse(a.name)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What writing one row took, the least of the repetitions."""

    cpu_us: float
    wal_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What writes took with so many indexes of a case."""

    case: Case
    indexes: int
    used: Mapping[Write, Used]


class Meter:
    """Reads what one backend has used."""

    def __init__(self, connection: Connection) -> None:
        """Look at the backend of a connection."""
        self.connection = connection
        self._account = Path(f"/proc/{connection.info.backend_pid}/schedstat")

    def _cpu_us(self) -> float:
        return int(self._account.read_text(encoding="ascii").split()[0]) / 1000

    def _wal_bytes(self) -> float:
        row = self.connection.execute(render("bench/upkeep/position")).fetchone()
        assert row is not None  # noqa: S101 - one row
        return float(row["bytes"])

    def run(self, statement: sql.SQL, bind: Mapping[str, object] | None = None, *, rows: int | None = None) -> Used:
        """Run a statement and return what each row took."""
        wal, cpu = self._wal_bytes(), self._cpu_us()
        found = self.connection.execute(statement, bind).rowcount
        cpu_us = self._cpu_us() - cpu
        written = max(rows if rows is not None else found, 1)
        return Used(cpu_us=cpu_us / written, wal_bytes=(self._wal_bytes() - wal) / written)


def prepare(connection: Connection, scale: float) -> None:
    """Make the rows that the measured tables are filled with."""
    for extension in EXTENSIONS:
        connection.execute(render("bench/create_extension", extension=extension))
    for name, last, dimensions in (("plain", _SOURCE_ROWS, 1), ("vectors", _VECTOR_ROWS, _DIMENSIONS)):
        connection.execute(
            render("bench/upkeep/create_rows", name=name, dimensions=dimensions),
            {"first": 1, "last": round(last * scale), "dimensions": dimensions},
        )
        connection.execute(render("twin/statement", statement=f"ALTER TABLE {name} ADD PRIMARY KEY (id)"))
        connection.execute(render("twin/statement", statement=f"VACUUM ANALYZE {name}"))


def measure(connection: Connection, case: Case) -> Iterator[Measured]:
    """Measure a case that was filled: with all indexes first, then with fewer and fewer, and without any."""
    meter = Meter(connection)
    counts = (*reversed(case.counts), 0)
    last, left = case.rows, counts[0]
    for place, count in enumerate(counts):
        for number in range(count, left):
            connection.execute(render("twin/statement", statement=f"DROP INDEX {case.index(number)}"))
        left = count
        yield Measured(case=case, indexes=count, used=_writes(meter, case, last, place))
        last += _REPETITIONS * case.batch


def fill(connection: Connection, case: Case) -> None:
    """Make the table with all indexes, most rows of which were inserted: no page of an index just built has split."""
    connection.execute(render("twin/statement", statement="DROP TABLE IF EXISTS account"))
    first = case.rows // 2
    connection.execute(render("bench/upkeep/create_table", source=_source(case), vectors=case.vectors), {"rows": first})
    for number in range(max(case.counts)):
        connection.execute(render("twin/statement", statement=case.ddl(number)))
    insert = render("bench/upkeep/insert", source=_source(case), vectors=case.vectors)
    connection.execute(insert, {"first": first, "last": case.rows})
    connection.execute(render("twin/statement", statement="VACUUM ANALYZE account"))


def _source(case: Case) -> str:
    return "vectors" if case.vectors else "plain"


def _writes(meter: Meter, case: Case, first: int, place: int) -> Mapping[Write, Used]:
    """Insert and update some batches of rows, and delete a tenth of the table."""
    insert = render("bench/upkeep/insert", source=_source(case), vectors=case.vectors)
    inserts, updates = list[Used](), list[Used]()
    for number in range(_REPETITIONS):
        begin = first + number * case.batch
        inserts.append(meter.run(insert, {"first": begin, "last": begin + case.batch}))
        page = (place * _REPETITIONS + number) * case.pages
        update = render("bench/upkeep/update", change=case.change, first=f"({page},0)", last=f"({page + case.pages},0)")
        updates.append(meter.run(update))
    dead = meter.connection.execute(render("bench/upkeep/delete"), {"place": place}).rowcount
    removal = meter.run(render("bench/upkeep/vacuum"), rows=dead + _REPETITIONS * case.batch)
    return {"insert": least(inserts), "update": least(updates), "delete": removal}


def least(several: Sequence[Used]) -> Used:
    """Return the least time of some repetitions, and their median of WAL, which is exact but for splits of pages."""
    middle = statistics.median(each.wal_bytes for each in several)
    return Used(cpu_us=min(each.cpu_us for each in several), wal_bytes=middle)
