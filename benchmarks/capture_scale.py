"""How long a capture of many tables takes, and where the time goes.

The claim: 1,000 tables of 20 columns within 10 seconds. The capture's role is the documented one.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg.conninfo import make_conninfo

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents import snapshot as snapshots
from analyzer.render import units
from analyzer.sql import render
from analyzer.twin.server import cluster
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_live import tell

_SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "fsync": "off", "autovacuum": "off"}
_INDEXES = ("(owner, at) INCLUDE (state)", "(due) WHERE active", "((doc ->> 'k'))")
_ROLE = "twindex_reader"
#: Of each table: in it, and taken by the sampling capture.
_ROWS, _SAMPLES = 300, 1000
#: Captures of which the fastest is shown.
_REPEATED = 3
#: Seconds the capture may take.
_TARGET_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One capture."""

    what: str
    seconds: float
    file_bytes: int
    #: Seconds of each part, in order.
    parts: tuple[tuple[str, float], ...]


def section(tables: int = 1000) -> Section:
    """Measure and render it."""
    with cluster.temporary(settings=_SETTINGS) as running:
        tell(f"capture: {tables:,} tables")
        with connect(running.url(), autocommit=True) as connection:
            _build(connection, tables=tables)
        url = make_conninfo(running.url(), user=_ROLE)
        runs = (_fastest("as usual", url, 0), _fastest(f"with `--samples {_SAMPLES}`", url, _SAMPLES))
    rows = [
        (run.what, f"{run.seconds:.1f}", units.size(run.file_bytes), ", ".join(f"{p} {s:.1f}" for p, s in run.parts))
        for run in runs
    ]
    table = render_table(("capture", "seconds:", "file:", "parts, seconds"), rows)
    target = Target(
        name=f"capture of {tables:,} tables of 20 columns",
        wanted=f"≤ {_TARGET_SECONDS:g} s",
        measured=f"{runs[0].seconds:.1f} s",
        met=runs[0].seconds <= _TARGET_SECONDS,
    )
    text = f"{tables:,} tables of 20 columns, {_ROWS} rows and four indexes each; the fastest of {_REPEATED} captures."
    return Section(text=f"## Capture\n\n{text}\n\n{table}", targets=(target,))


def _build(connection: Connection, *, tables: int) -> None:
    connection.execute("CREATE EXTENSION pg_stat_statements")
    connection.execute(render("demo/create_reader", role=_ROLE))
    for number in range(tables):
        name = f"wide_{number:05}"
        connection.execute(render("bench/create_wide", name=name))
        connection.execute(render("bench/fill_wide", name=name), {"rows": _ROWS})
        for definition in _INDEXES:
            connection.execute(render("bench/index_wide", name=name, definition=definition))
    connection.execute(render("bench/analyze_wide"))
    connection.execute(render("twin/checkpoint"))  # else the capture shares the machine with writing all that out


def _fastest(what: str, url: str, samples: int) -> Run:
    """Measure several times; what else the machine did slows all but the fastest."""
    return min((_measure(what, url, samples) for _ in range(_REPEATED)), key=lambda run: run.seconds)


def _measure(what: str, url: str, samples: int) -> Run:
    marks: list[tuple[str, float]] = []
    start = time.perf_counter()
    taken = capture(url, sample_rows=samples, progress=lambda part: marks.append((part, time.perf_counter())))
    end = time.perf_counter()
    with TemporaryDirectory() as directory:
        path = Path(directory) / "scale.snapshot"
        snapshots.dump(taken, path)
        written = time.perf_counter()
        size = path.stat().st_size
    times = [*marks, ("writing", end), ("", written)]
    return Run(what=what, seconds=written - start, file_bytes=size, parts=tuple(_durations(times)))


def _durations(marks: list[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    for (part, begun), (_, ended) in itertools.pairwise(marks):
        yield part, ended - begun
