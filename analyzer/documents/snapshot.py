"""The snapshot: everything captured from a server at one time, as one file.

The file is gzip-compressed JSON, written atomically with mode 0600. `version` rises with every change that an older
twindex could misread. Whoever wrote it, what is read from it is bounded: see `bounds` and `admission`.
"""

import gzip
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from analyzer.atomic_file import put_in_place
from analyzer.documents.activity import ActivitySampling, SampledStatement
from analyzer.documents.admission import admitted, breach
from analyzer.documents.bounded_file import MOST_BYTES, MOST_COMPRESSED_BYTES, parse_document, too_large, written
from analyzer.documents.bounds import MOST_BYTES as MOST_TOTAL_BYTES
from analyzer.documents.bounds import Count, Moment, Name, Oid, Text
from analyzer.documents.described import (
    Column,
    Constraint,
    GinPages,
    Index,
    Policy,
    Relation,
    RowSecurity,
    Server,
    TableActivity,
    Tablespace,
)
from analyzer.documents.measured import (
    ColumnStatistics,
    ExtendedStatistics,
    Extreme,
    MergedSnapshot,
    Sample,
    ServerCounters,
    StatementCounters,
)
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import ServerPlan
from analyzer.documents.record import SnapshotRecord
from analyzer.documents.schema_objects import (
    CollationVersion,
    Extension,
    FunctionDef,
    ObjectDef,
    SequenceDef,
    TypeDef,
    TypeLength,
)
from analyzer.documents.server_log import LogEvent, LogFile, LoggedStatement
from analyzer.errors import InputError

__all__ = [
    "CollationVersion",
    "Column",
    "ColumnStatistics",
    "Constraint",
    "ExtendedStatistics",
    "Extension",
    "Extreme",
    "FORMAT",
    "FunctionDef",
    "GinPages",
    "Index",
    "LogEvent",
    "LogFile",
    "LoggedStatement",
    "NotExamined",
    "ObjectDef",
    "Policy",
    "Relation",
    "RowSecurity",
    "Sample",
    "SequenceDef",
    "Server",
    "ServerCounters",
    "ServerPlan",
    "Snapshot",
    "StatementCounters",
    "TableActivity",
    "Tablespace",
    "TypeDef",
    "TypeLength",
    "VERSION",
    "dump",
    "load",
]

FORMAT = "twindex-snapshot"
VERSION = 1


class Snapshot(SnapshotRecord):
    """Everything captured from one database at one time."""

    format: Literal["twindex-snapshot"] = FORMAT
    version: Literal[1] = VERSION
    tool_version: Text
    #: The server's clock.
    captured_at: Moment
    #: False when every literal was stripped.
    values: bool
    server: Server
    #: Settings the planner reads, effective for the capturing session, in the units of pg_settings.
    settings: dict[Name, Text]
    extensions: tuple[Extension, ...]
    schemas: tuple[Name, ...]
    types: tuple[TypeDef, ...] = ()
    type_lengths: tuple[TypeLength, ...] = ()
    functions: tuple[FunctionDef, ...] = ()
    objects: tuple[ObjectDef, ...] = ()
    #: What must exist before what, by OID: (dependent, referenced).
    dependencies: tuple[tuple[Oid, Oid], ...] = ()
    relations: tuple[Relation, ...]
    indexes: tuple[Index, ...]
    statistics: tuple[ColumnStatistics, ...]
    extended_statistics: tuple[ExtendedStatistics, ...] = ()
    extremes: tuple[Extreme, ...] = ()
    #: None in a snapshot from before they were asked.
    sequences: tuple[SequenceDef, ...] | None = None
    row_security: tuple[RowSecurity, ...] = ()
    tablespaces: tuple[Tablespace, ...] = ()
    #: None where the server does not show them, or was not asked.
    collation_versions: tuple[CollationVersion, ...] | None = None
    samples: tuple[Sample, ...] = ()
    statements: tuple[StatementCounters, ...] = ()
    #: Since when pg_stat_statements counts, and how many entries it evicted.
    statements_reset: Moment | None = None
    statements_evicted: Count | None = None
    #: The primary and its replicas, where several servers were captured; their counters are summed above.
    servers: tuple[ServerCounters, ...] = ()
    #: What files of the server's log told, where some were given.
    log_files: tuple[LogFile, ...] = ()
    log_statements: tuple[LoggedStatement, ...] = ()
    log_events: tuple[LogEvent, ...] = ()
    #: Plans of files, and those of auto_explain in the log.
    plans: tuple[ServerPlan, ...] = ()
    log_plans: tuple[ServerPlan, ...] = ()
    #: What sessions were seen to run during the capture, and how each server was sampled.
    activity_samplings: tuple[ActivitySampling, ...] = ()
    sampled_statements: tuple[SampledStatement, ...] = ()
    #: Statements with the constants that pg_qualstats has sampled; their calls are a scale for the shares alone.
    qualstats_statements: tuple[LoggedStatement, ...] = ()
    #: Snapshots whose workloads are in this one; none where it was captured.
    merged: tuple[MergedSnapshot, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()

    @cached_property
    def relations_by_name(self) -> dict[tuple[str, str], Relation]:
        """Relations by schema and name."""
        return {(each.schema_name, each.name): each for each in self.relations}

    @cached_property
    def statistics_by_relation(self) -> dict[tuple[str, str], tuple[ColumnStatistics, ...]]:
        """Columns' statistics by schema and name of their table or index."""
        found: dict[tuple[str, str], list[ColumnStatistics]] = {}
        for row in self.statistics:
            found.setdefault((row.schema_name, row.relation), []).append(row)
        return {name: tuple(rows) for name, rows in found.items()}

    def column_statistics(self, schema: str, relation: str, column: str) -> ColumnStatistics | None:
        """Return the statistics of a column, over its children too where there are such; None when not analysed."""
        found = [row for row in self.statistics_by_relation.get((schema, relation), ()) if row.column == column]
        return max(found, key=lambda each: each.inherited, default=None)

    def relation(self, schema: str, name: str) -> Relation | None:
        """Return the relation of that name, if it was captured."""
        return self.relations_by_name.get((schema, name))


def dump(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot atomically with mode 0600; the same snapshot gives the same bytes.

    Raises InputError for one that is larger than `load` reads, OSError for a file that cannot be written.
    """
    text = snapshot.model_dump_json(exclude={"not_examined": {"__all__": {"query", "share_of_time"}}}).encode()
    payload = gzip.compress(text, compresslevel=6, mtime=0)
    if len(text) > MOST_BYTES or len(payload) > MOST_COMPRESSED_BYTES:
        raise too_large(path)
    put_in_place(path, payload)


def load(path: Path) -> Snapshot:
    """Read a snapshot; items that are out of bounds are left out and named in its `not_examined`.

    Raises InputError for a file that is missing, damaged, newer, larger than a snapshot can be, or something else.
    """
    document = parse_document(path)
    if document.get("format") != FORMAT:
        raise InputError(f"{path} is not a twindex snapshot; create one with twindex capture -o FILE")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version <= VERSION:
        raise InputError(
            f"{path} has snapshot version {written(version)}, this twindex reads up to {VERSION}; upgrade twindex"
        )
    try:
        snapshot = Snapshot.model_validate(admitted(document))
    except ValidationError as error:
        raise InputError(f"{path} is not a valid snapshot: {breach(error, joined=': it ')}; capture it again") from None
    sizes = (each.size_bytes or 0 for each in (*snapshot.relations, *snapshot.indexes))
    if sum(sizes) > MOST_TOTAL_BYTES:
        most = f"{MOST_TOTAL_BYTES // 1024**4} TB"
        raise InputError(f"{path} is not a valid snapshot: its tables and indexes are larger than {most} together")
    return snapshot
