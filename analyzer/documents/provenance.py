"""Where the facts of a document come from."""

from datetime import datetime
from typing import Literal

from analyzer.documents.record import Record


class Capability(Record):
    """Something the server or the installation could, or could not, do for this document."""

    name: str
    available: bool
    note: str = ""


class MergedWorkload(Record):
    """A snapshot whose workload was merged."""

    name: str
    captured_at: datetime
    server_role: Literal["primary", "replica"]
    statements_since: datetime | None
    #: The older snapshot of the same counters, since which its statements count; None where all of them do.
    since_snapshot: str | None


class Provenance(Record):
    """Where the facts come from, and what they cannot show."""

    tool_version: str
    #: `version()`, as printed.
    server_version: str
    server_role: Literal["primary", "replica"]
    database: str
    #: The database role that captured.
    captured_by: str
    #: The server's clock.
    captured_at: datetime
    #: Start of the window of the activity counters; None when the server cannot say.
    counters_since: datetime | None
    #: Start of the window of pg_stat_statements; None when the server cannot say.
    statements_since: datetime | None
    #: Entries pg_stat_statements dropped in that window; None when the server cannot say.
    statements_evicted: int | None
    #: Who answered the what-if questions, such as "PostgreSQL 18.6 twin (same major)"; empty without any.
    planner: str
    capabilities: tuple[Capability, ...] = ()
    #: Where several snapshots were given, those, in the order of their times.
    merged: tuple[MergedWorkload, ...] = ()
