"""The queries as the server records them: run once, and read from pg_stat_statements."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from analyzer.capture.capture import capture
from analyzer.db import Connection
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import render
from analyzer.workload.parse import Workload, parse_file, parse_statements
from benchmarks.advisor_suites import Query
from benchmarks.twin_live import tell

#: What the live server has to be started with.
PRELOADED = {"shared_preload_libraries": "pg_stat_statements"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a server recorded of queries."""

    snapshot: Snapshot
    workload: Workload


def recorded(connection: Connection, url: str, queries: Sequence[Query], *, seconds: float) -> Recorded:
    """Run each query and return what was recorded; `url` is the reader's.

    Each execution weighs the same, as in a file. A query that is canceled is not recorded.
    """
    connection.execute(render("bench/create_extension", extension="pg_stat_statements"))
    connection.execute(render("demo/reset_statements"))
    connection.execute(render("bench/statement_timeout"), {"milliseconds": str(round(1000 * seconds))})
    for query in queries:
        try:
            connection.execute(query.text.encode(), prepare=False)
        except psycopg.errors.QueryCanceled:
            tell(f"  {query.name} was canceled and is not recorded")
    connection.execute(render("bench/statement_timeout"), {"milliseconds": "0"})
    snapshot = capture(url)
    ids = {parse_file(query.text).statements[0].id for query in queries}
    workload = parse_statements(snapshot)
    kept = tuple(each for each in workload.statements if each.stands_for[0].id in ids)
    return Recorded(snapshot=snapshot, workload=Workload(statements=kept))
