"""What the server's log told: the statements with their times and values, and what went wrong.

No message is kept: those of errors quote values of rows. Statements are normalised, and their values stand apart.
"""

from typing import Annotated, Literal

from pydantic import Field

from analyzer.documents.bounds import Count, Fraction, Milliseconds, Moment, Name, Text
from analyzer.documents.record import Record, SnapshotRecord

LogFormat = Literal["stderr", "csvlog", "jsonlog"]
EventKind = Literal["temporary file", "lock wait", "canceled statement", "deadlock", "replication conflict", "error"]

#: Values kept of one statement: the most frequent and the most expensive.
MOST_BINDINGS = 8
#: Names of users or applications kept of one statement.
MOST_NAMES = 8
_MOST_PARAMETERS = 65_535

ParameterNumber = Annotated[int, Field(ge=1, le=_MOST_PARAMETERS)]
Names = Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]


class LogFile(SnapshotRecord):
    """A file of the server's log that was read."""

    #: Without its directory.
    name: Text
    format: LogFormat
    records: Count
    begin: Moment | None = None
    end: Moment | None = None


class LoggedBinding(SnapshotRecord):
    """Values a statement ran with."""

    #: Of `$1`, `$2`, … of the statement's text, as the server prints them; None is NULL.
    values: Annotated[tuple[Text | None, ...], Field(max_length=_MOST_PARAMETERS)]
    #: Share of the statement's calls that it stands for; those of a statement sum to 1.
    share: Fraction


class LoggedStatement(SnapshotRecord):
    """One statement of the log, under all of its constants."""

    #: Normalised: every constant is a parameter.
    query: Text
    queryids: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)] = ()
    calls: Count
    #: None when no duration was logged.
    total_ms: Milliseconds | None = None
    stddev_ms: Milliseconds | None = None
    #: What the extended query protocol logs apart from the execution.
    parses: Count = 0
    parse_ms: Milliseconds = 0
    binds: Count = 0
    bind_ms: Milliseconds = 0
    #: Calls of a named prepared statement, which the server may plan once for all values.
    prepared: Count = 0
    first_seen: Moment | None = None
    last_seen: Moment | None = None
    users: Names = ()
    databases: Names = ()
    applications: Names = ()
    bindings: Annotated[tuple[LoggedBinding, ...], Field(max_length=MOST_BINDINGS)] = ()
    #: Parameters that are constants in the text that all calls have in common, and so in a generic plan as well.
    constants: Annotated[tuple[ParameterNumber, ...], Field(max_length=_MOST_PARAMETERS)] = ()
    #: Calls with other values than these.
    other_calls: Count = 0


class LogEvent(SnapshotRecord):
    """What happened to a statement, as often as it did."""

    kind: EventKind
    #: The SQLSTATE of an error, the mode and object of a lock, what canceled a statement.
    detail: Text = ""
    #: Normalised; None where none was logged, or where it is a utility statement.
    query: Text | None = None
    count: Count
    #: Bytes of temporary files; milliseconds of lock waits.
    total: Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)] = 0
    first_seen: Moment | None = None
    last_seen: Moment | None = None


class ReportedEvent(Record):
    """What happened to a statement, in a document for people."""

    kind: EventKind
    detail: str
    #: The statement's fingerprint.
    id: str | None
    query: str | None
    count: int
    #: Over the time that the log covers; None when that is not known, or too short for so few events.
    per_hour: float | None
    #: Of temporary files.
    total_bytes: int | None = None
    #: Of lock waits.
    total_ms: float | None = None


class LogSection(Record):
    """What the server's log adds to a document."""

    files: tuple[str, ...]
    begin: Moment | None
    end: Moment | None
    #: Distinct statements that the log has, those of them that pg_stat_statements does not have, and those with values.
    statements: int
    added: int
    bound: int
    #: The most frequent kinds first.
    events: tuple[ReportedEvent, ...]
