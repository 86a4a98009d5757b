"""How many of the statements that servers record can be planned, and how long each takes to be understood.

python -m benchmarks.workload [-o docs/benchmarks/workload.md]

Each workload is sent to a live server, recorded by pg_stat_statements, captured, and planned on a twin.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from analyzer.advise.price import shaped_and_priced
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.demo import data, workload
from analyzer.demo.rows import FAST
from analyzer.documents.snapshot import NotExamined
from analyzer.sql import render
from analyzer.twin.server import cluster
from analyzer.twin.server.binaries import find_binaries
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import parse_statements
from benchmarks.corpora import SCHEMA, read_corpora, send
from benchmarks.platform_indexes import migrate
from benchmarks.setting import Setting, read_setting, render_table
from benchmarks.targets import Section, Target, page_of, put_page
from benchmarks.tpc import Suite, read_suite
from benchmarks.twin_live import DEBIAN_15, TRUSTED, tell

_SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "fsync": "off", "autovacuum": "off", "jit": "off"}
_SEED = 1
#: What share of each kind of workload must be plannable.
_WANTED = {"corpora": 0.98, "TPC": 0.99, "platform": 1.0}
_LONGEST = 300
_HEAD = """# Statements, measured

Written by `make bench-workload`. Each workload is sent to a live server, recorded by `pg_stat_statements` and captured;
a statement is plannable when the planner of the twin takes it, with types for the parameters that replaced constants.
The time is that of resolving a statement to tables, of making it plannable, and of pricing it. The corpora are the
statements of `tests/corpora`, written after the shapes that object-relational mappers produce; TPC-H and TPC-DS are the
queries of DuckDB's extensions on empty tables; the platform is that of `twindex demo`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What became of the statements of one workload on one server."""

    name: str
    #: One of those that something is wanted of.
    kind: str
    version: str
    seconds: tuple[float, ...]
    #: The reason and the text of each that cannot be planned.
    refused: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        """Return what share of the statements can be planned."""
        return 1 - len(self.refused) / len(self.seconds)


def measure(bin_dir: Path | None) -> tuple[Setting, tuple[Examined, ...]]:
    """Send all workloads to a server of these binaries, or of the usual ones, and examine them."""
    binaries = None if bin_dir is None else find_binaries(bin_dir)
    with cluster.temporary(binaries, settings=_SETTINGS) as server:
        with connect(server.url()) as connection:
            setting = read_setting(connection, _SETTINGS)
        found: list[Examined] = []
        for kind, name, prepare, run in _workloads(has_vector="vector" in server.binaries.extensions()):
            tell(f"PostgreSQL {setting.server}: {name}")
            database = f"{kind}_{name}".lower()
            server.ensure_database(database)
            url = server.url(database)
            prepare(url)
            with connect(url, autocommit=True) as connection:
                connection.execute(render("demo/reset_statements"))
            run(url)
            refused, seconds = _examined(url)
            found.append(
                Examined(
                    name=name,
                    kind=kind,
                    version=setting.server.split()[0],
                    seconds=tuple(seconds),
                    refused=tuple(refused),
                )
            )
    return setting, tuple(found)


def _workloads(*, has_vector: bool) -> Iterator[tuple[str, str, Callable[[str], object], Callable[[str], object]]]:
    """Yield kind and name of each workload, what prepares a database for it, and what sends it."""
    for corpus in read_corpora():
        yield "corpora", corpus.name, _corpora_schema, partial(_send, send=partial(send, corpus=corpus))
    for suite in (read_suite("tpch"), read_suite("tpcds")):
        yield "TPC", suite.name, partial(_tables, suite=suite), partial(_queries, suite=suite)
    if has_vector:
        yield "platform", "platform", _platform, _work


def _recorder(url: str) -> None:
    with connect(url, autocommit=True) as connection:
        connection.execute(render("bench/create_extension", extension="pg_stat_statements"))


def _corpora_schema(url: str) -> None:
    _recorder(url)
    with connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())


def _send(url: str, *, send: Callable[..., object]) -> None:
    with connect(url, autocommit=True) as connection:
        send(connection)


def _tables(url: str, *, suite: Suite) -> None:
    _recorder(url)
    with connect(url, autocommit=True) as connection:
        for table in suite.tables:
            connection.execute(render("bench/create_table", table=table))


def _queries(url: str, *, suite: Suite) -> None:
    with connect(url, autocommit=True) as connection:
        for query in suite.queries:
            connection.execute(query.encode())


def _platform(url: str) -> None:
    migrate(url)
    with connect(url) as connection:
        data.load(connection, scale=FAST, seed=_SEED, progress=lambda _table, _done, _total: None)


def _work(url: str) -> None:
    workload.run(url, scale=FAST, seed=_SEED, count=workload.COUNTS[FAST])


def _examined(url: str) -> tuple[list[tuple[str, str]], list[float]]:
    """Return what cannot be planned, with the reason, and how long each statement took."""
    captured = capture(url, allow_superuser=True)
    kept = tuple(each for each in captured.statements if "pg_stat_statements_reset" not in each.query)
    snapshot = captured.model_copy(update={"statements": kept})
    parsed = parse_statements(snapshot)
    refused = [(each.reason, each.query or each.what) for each in parsed.not_examined]
    seconds = [0.0] * len(refused)
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        for statement in parsed.statements:
            started = time.perf_counter()
            _, priced = shaped_and_priced(twin, statement)
            seconds.append(time.perf_counter() - started)
            if isinstance(priced, NotExamined):
                refused.append((priced.reason, statement.text))
    return refused, seconds


def section(measured: Sequence[Examined]) -> Section:
    """Render what was found."""
    rows = [
        (
            each.name,
            each.version,
            str(len(each.seconds)),
            str(len(each.seconds) - len(each.refused)),
            f"{each.share:.1%}",
            f"{median(each.seconds) * 1000:.1f}",
            f"{max(each.seconds) * 1000:.0f}",
        )
        for each in measured
    ]
    heads = ("workload", "PostgreSQL", "statements:", "plannable:", "share:", "median ms:", "worst ms:")
    refused = [
        f"- {each.name} on {each.version}, {reason}:\n\n  ```sql\n  {_shortened(text)}\n  ```"
        for each in measured
        for reason, text in each.refused
    ]
    parts = ("## By workload", render_table(heads, rows), "## Not plannable", "\n".join(refused) or "None.")
    return Section(text="\n\n".join(parts), targets=tuple(_targets(measured)))


def _shortened(text: str) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"


def _targets(measured: Sequence[Examined]) -> Iterator[Target]:
    for version in dict.fromkeys(each.version for each in measured):
        for kind, wanted in _WANTED.items():
            of_kind = [each for each in measured if (each.version, each.kind) == (version, kind)]
            if count := sum(len(each.seconds) for each in of_kind):
                share = 1 - sum(len(each.refused) for each in of_kind) / count
                yield Target(
                    name=f"{count} statements of {kind} on PostgreSQL {version}",
                    wanted=f"≥ {wanted:.0%} plannable",
                    measured=f"{share:.1%}",
                    met=share >= wanted,
                )


def render_page(setting: Setting, sections: Sequence[Section]) -> str:
    """Write the page as Markdown."""
    return page_of(_HEAD, setting, sections)


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workload", description="Measure statements.")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    given = parser.parse_args()
    servers = [measure(each) for each in (None, DEBIAN_15) if each is None or each.is_dir()]
    page = render_page(servers[0][0], [section([each for _, found in servers for each in found])])
    put_page(page, given.file)


if __name__ == "__main__":
    main()
