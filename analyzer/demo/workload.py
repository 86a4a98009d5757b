"""Send the platform's statements, in realistic proportions, and take the time of each."""

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any, cast

import psycopg
from pgvector.psycopg import register_vector
from psycopg.rows import tuple_row
from sqlalchemy import ClauseElement, Executable, Insert, create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.compiler import SQLCompiler

from analyzer import db
from analyzer.demo.client import Asker
from analyzer.demo.random_data import Embedder
from analyzer.demo.rows import FAST, FULL, LABELS, Scale
from analyzer.demo.statements import STATEMENTS, Kind, Parameters, StatementSpec
from analyzer.sql import render, render_text

#: Enough of them that every statement comes up, and what is slow without its index still ends within a minute.
COUNTS = {FULL: 2_000, FAST: 2_000}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the calls of one statement took, as the client sees it: sending, executing, fetching."""

    name: str
    kind: Kind
    #: Of each call, ascending; never empty.
    taken_ms: tuple[float, ...]

    @property
    def calls(self) -> int:
        """Count the calls."""
        return len(self.taken_ms)

    @property
    def total_ms(self) -> float:
        """Add up the calls."""
        return sum(self.taken_ms)

    @property
    def mean_ms(self) -> float:
        """Return the time of a call."""
        return self.total_ms / self.calls

    @property
    def median_ms(self) -> float:
        """Return what half of the calls stay below."""
        return median(self.taken_ms)

    @property
    def p95_ms(self) -> float:
        """Return what 19 of 20 calls stay below."""
        return percentile(self.taken_ms, 0.95)

    @property
    def p99_ms(self) -> float:
        """Return what 99 of 100 calls stay below."""
        return percentile(self.taken_ms, 0.99)

    @property
    def max_ms(self) -> float:
        """Return the slowest call."""
        return self.taken_ms[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One statement as psycopg gets it, with values to run or explain it with."""

    name: str
    kind: Kind
    #: With psycopg's `%(name)s` placeholders.
    sql: str
    parameters: Parameters


def run(
    url: str,
    *,
    scale: Scale,
    seed: int,
    count: int | None = None,
    seconds: float | None = None,
    clients: int = 1,
    progress: Progress | None = None,
) -> tuple[Timing, ...]:
    """Send `count` statements from each client, or as many as fit into `seconds`; the order of STATEMENTS is kept.

    The same scale, seed and count give the same statements with the same values. `progress` is called by the first
    client, with what it sent and what it will send, or with seconds when it goes by the clock.
    """
    if (count is None) == (seconds is None):
        raise ValueError("give either count or seconds")
    askers = [Asker(seed=seed, client=number, scale=scale, embedder=_embedder(seed)) for number in range(clients)]

    def work(number: int) -> dict[str, list[float]]:
        return _send(url, _planned(askers[number], count, seconds, progress if number == 0 else None))

    with ThreadPoolExecutor(clients) as pool:
        taken = list(pool.map(work, range(clients)))
    return tuple(
        Timing(name=spec.name, kind=spec.kind, taken_ms=tuple(sorted(ms for one in taken for ms in one[spec.name])))
        for spec in STATEMENTS
        if any(one[spec.name] for one in taken)
    )


def examples(seed: int, *, scale: Scale = FAST) -> tuple[Example, ...]:
    """Return every statement with values that `run` could have drawn."""
    ask = Asker(seed=seed, client=0, scale=scale, embedder=_embedder(seed))
    return tuple(_example(spec, spec.parameters(ask)) for spec in STATEMENTS)


def percentile(taken_ms: Sequence[float], share: float) -> float:
    """Return what that share of the times, which ascend, stays below."""
    return taken_ms[min(int(share * len(taken_ms)), len(taken_ms) - 1)]


def sender(spec: StatementSpec) -> str:
    """Say what a statement is sent with."""
    if spec.built is None:
        return "psycopg, never prepared" if spec.prepare is False else "psycopg, prepared"
    chosen: Sequence[dict[str, Any]] = getattr(spec.built, "column_descriptions", ())  # a SELECT's
    return "SQLAlchemy ORM" if any(isinstance(each["expr"], type) for each in chosen) else "SQLAlchemy Core"


def schedule(ask: Asker) -> Iterator[tuple[StatementSpec, Parameters]]:
    """Draw statements for ever, after every one came up once; what deletes comes after what makes."""
    by_name = {spec.name: spec for spec in STATEMENTS}
    for spec in itertools.chain(ask.random.sample(STATEMENTS, len(STATEMENTS)), _drawn(ask)):
        if spec.undoes is not None and not ask.remembers(spec.undoes):
            yield by_name[spec.undoes], by_name[spec.undoes].parameters(ask)
        yield spec, spec.parameters(ask)


@cache
def _embedder(seed: int) -> Embedder:
    """Return the embedder of a seed: the same for all clients, and a while to make."""
    return Embedder(seed=seed, clusters=len(LABELS))


def _drawn(ask: Asker) -> Iterator[StatementSpec]:
    weights = [spec.weight for spec in STATEMENTS]
    while True:
        yield ask.random.choices(STATEMENTS, weights)[0]


def _planned(
    ask: Asker, count: int | None, seconds: float | None, progress: Progress | None
) -> Iterator[tuple[StatementSpec, Parameters]]:
    started = time.monotonic()
    for done, planned in enumerate(itertools.islice(schedule(ask), count)):
        gone = time.monotonic() - started
        if seconds is not None and gone >= seconds:
            return
        if progress is not None:
            progress(*((done + 1, count) if count is not None else (int(gone), int(seconds or 0))))
        yield planned


@contextmanager
def _client(url: str) -> Generator[tuple[psycopg.Connection[Any], Session]]:
    """Open one connection that is used both by psycopg itself and through SQLAlchemy."""
    with db.connect(url, application="platform") as opened:
        connection = cast("psycopg.Connection[Any]", opened)
        connection.row_factory = tuple_row
        register_vector(connection)
        connection.rollback()
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        with Session(engine) as session:
            yield connection, session


def _send(url: str, planned: Iterator[tuple[StatementSpec, Parameters]]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {spec.name: [] for spec in STATEMENTS}
    queries = {spec.name: render(f"demo/workload/{spec.name}") for spec in STATEMENTS if spec.built is None}
    with _client(url) as (connection, session):
        for spec, parameters in planned:
            started = time.perf_counter()
            if spec.built is None:
                cursor = connection.execute(queries[spec.name], parameters, prepare=spec.prepare)
                if spec.kind == "read":
                    cursor.fetchall()
            else:
                result = session.execute(spec.built, parameters)
                if spec.kind == "read":
                    result.all()
            taken[spec.name].append(1_000 * (time.perf_counter() - started))
            session.commit()
            connection.commit()
    return taken


def _example(spec: StatementSpec, parameters: Parameters) -> Example:
    if spec.built is None:
        text = render_text(f"demo/workload/{spec.name}")
        return Example(name=spec.name, kind=spec.kind, sql=text, parameters=parameters)
    text, values = _compile(spec.built, parameters)
    return Example(name=spec.name, kind=spec.kind, sql=text, parameters=values)


def _compile(statement: Executable, parameters: Parameters) -> tuple[str, Parameters]:
    """Compile what SQLAlchemy would send, and prepare the values as it would."""
    compiled = cast("ClauseElement", statement).compile(
        dialect=PGDialect_psycopg(), column_keys=list(parameters) if isinstance(statement, Insert) else None
    )
    sent = cast("SQLCompiler", compiled).construct_expanded_state(parameters)
    return sent.statement, dict(sent.parameters)
