"""The only way a capture queries the server: a template, in a savepoint that is rolled back.

The rollback releases the locks of the query, so that a capture holds none between two queries.
"""

import contextlib
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, cast

import psycopg
from psycopg import ClientCursor, errors, sql
from psycopg.rows import DictRow

from analyzer.capture.guard import ChangedError, Guard
from analyzer.db import MARKER, Connection
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import NotExaminableError
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import render

#: Why one object may refuse to be read while the rest of the database can: a change of it, lock or statement timeout,
#: and what the server says of a question: no privilege, no operator for its type, a concurrent DROP, damage, a limit.
REFUSALS = (
    ChangedError,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.ObjectNotInPrerequisiteState,
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.NotSupportedError,
    errors.InternalError_,
    errors.DataCorrupted,
    errors.IndexCorrupted,
    errors.IoError,
    errors.UndefinedFile,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
    errors.TooManyColumns,
    errors.ConfigurationLimitExceeded,
)
#: What stands for a byte that is no UTF-8, as Python's surrogateescape has it.
_UNDECODED = re.compile("[\udc80-\udcff]")
#: Names an object in a row.
_NAMES = ("schema_name", "table_schema", "table", "table_name", "relation", "name", "column", "queryid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A read-only transaction and the server's major version."""

    connection: Connection
    major: int
    #: Template and row of what is not UTF-8, and so was left out; in a database that says nothing of its encoding.
    undecoded: list[tuple[str, DictRow]] = field(default_factory=list[tuple[str, DictRow]])
    #: Watches the tables that are asked about; without one, anything that hangs on them may run.
    guard: Guard | None = None

    def unread(self) -> list[NotExamined]:
        """List the rows that were skipped."""
        reason = "its text is not valid UTF-8, and the encoding of the database is unknown (SQL_ASCII)"
        found = {f"{template.replace('_', ' ')}: {_named(row)}" for template, row in self.undecoded if _named(row)}
        return [NotExamined(what=what, reason=reason) for what in sorted(found)]

    def rows(self, template: str, bind: Mapping[str, object] | None = None, /, **names: object) -> list[DictRow]:
        """Ask `capture/<template>`; `bind` are bound values, `names` go into the template."""
        with self.connection.transaction(force_rollback=True):
            return self._ask(template, bind, names)

    def row(self, template: str, bind: Mapping[str, object] | None = None, /, **names: object) -> DictRow:
        """Ask `capture/<template>` for its one row."""
        rows = self.rows(template, bind, **names)
        if not rows and self.undecoded:
            raise NotExaminableError(
                f"{template.replace('_', ' ')} of the database is not valid UTF-8, and the encoding of the database "
                "is unknown (SQL_ASCII); rename it, or its role"
            )
        (row,) = rows
        return row

    def rows_by_index(
        self, template: str, /, *, about: Sequence[QualifiedName], seq_page_cost: int = 1, **names: object
    ) -> list[DictRow]:
        """Ask `capture/<template>` about tables while the planner may read indexes only."""
        settings = {"seq_page_cost": str(seq_page_cost)}
        (rows,) = self._rows_about(about, template, "scan_by_index", [(settings, names)])
        return rows

    def rows_by_bitmap(
        self,
        template: str,
        asked: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
        /,
        *,
        about: QualifiedName,
    ) -> list[list[DictRow]]:
        """Ask `capture/<template>` while the planner may only read indexes by bitmap, each time at other prices.

        `asked` are the prices and the names of each question.
        """
        return self._rows_about((about,), template, "bitmaps_alone", asked)

    def lines(self, template: str, /, *, about: QualifiedName, **names: object) -> Generator[str]:
        """Ask `capture/<template>`, a COPY TO STDOUT, and yield its lines; leaving early cancels it."""
        query = self._query(template, names)
        with contextlib.closing(self._copied(about, query)) as copied:
            for line in copied:
                yield line.decode(self._encoding).removesuffix("\n")

    def _copied(self, about: QualifiedName, query: bytes) -> Generator[bytes]:
        if self.guard is not None:
            yield from self.guard.lines(about, query)
            return
        with (
            self.connection.transaction(force_rollback=True),
            self.connection.cursor() as cursor,
            cursor.copy(query) as copy,
        ):
            yield from map(bytes, copy)

    def _rows_about(
        self,
        about: Sequence[QualifiedName],
        template: str,
        settings: str,
        asked: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
    ) -> list[list[DictRow]]:
        if self.guard is None:
            answers: list[list[DictRow]] = []
            for bind, names in asked:
                with self.connection.transaction(force_rollback=True):
                    self._ask(settings, bind, {})
                    answers.append(self._ask(template, None, names))
            return answers
        query, cursor = self._query(settings, {}).decode(self._encoding), ClientCursor(self.connection)
        texts = [cursor.mogrify(sql.SQL(cast("LiteralString", query)), bind) for bind, _ in asked]
        questions = [self._query(template, names) for _, names in asked]
        encoded = [text.encode(self._encoding) for text in texts]
        answers = self.guard.rows(about, list(zip(encoded, questions, strict=True)))
        return [self._decoded(template, rows) for rows in answers]

    def fix_session(self) -> None:
        """Fix the settings that affect output, for the rest of the transaction."""
        self._ask("fix_session", None, {})
        # Without the privilege every leading column costs its index two scans in the counters; nothing else changes.
        with contextlib.suppress(errors.InsufficientPrivilege), self.connection.transaction():
            self._ask("stop_counting", None, {})

    @property
    def _encoding(self) -> str:
        """Return the encoding of text; that of SQL_ASCII is taken to be UTF-8."""
        encoding = self.connection.info.encoding
        return "utf-8" if encoding == "ascii" else encoding

    def _query(self, template: str, names: Mapping[str, object]) -> bytes:
        query = render(f"capture/{template}", pg=self.major, **names) + sql.SQL(" " + MARKER)
        return query.as_string(None).encode(self._encoding)

    def _ask(self, template: str, bind: Mapping[str, object] | None, names: Mapping[str, object]) -> list[DictRow]:
        query = self._query(template, names)
        return self._decoded(template, self.connection.execute(query, bind).fetchall())

    def _decoded(self, template: str, rows: list[DictRow]) -> list[DictRow]:
        """Skip, and note, rows that are not valid UTF-8."""
        if self.connection.info.parameter_status("server_encoding") != "SQL_ASCII":
            return rows
        self.undecoded.extend((template, row) for row in rows if _is_undecoded(row))
        return [row for row in rows if not _is_undecoded(row)]


def _is_undecoded(value: object) -> bool:
    if isinstance(value, str):
        return _UNDECODED.search(value) is not None
    if isinstance(value, Mapping):
        return any(_is_undecoded(part) for each in cast("Mapping[str, object]", value).items() for part in each)
    return isinstance(value, list | tuple) and any(map(_is_undecoded, cast("Sequence[object]", value)))


def _named(row: DictRow) -> str:
    names = ".".join(str(row[name]) for name in _NAMES if row.get(name) is not None)
    return names.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def refusal(error: Exception) -> str:
    """Return the reason why an object could not be read, as a clause."""
    match error:
        case ChangedError():
            return "objects that depend on it changed during the capture; capture again"
        case errors.LockNotAvailable():
            return "another session holds a lock on it; capture again later"
        case errors.QueryCanceled():
            return "reading it took longer than the statement timeout"
        case errors.InsufficientPrivilege():
            return "the role may not SELECT from it; grant SELECT on it, or pg_read_all_data"
        case _:
            return str(error).splitlines()[0]


def grouped(rows: list[DictRow], key: str = "oid") -> dict[int, list[dict[str, Any]]]:
    """Collect rows by one of their columns, which is left out of them."""
    result: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        rest = dict(row)
        result.setdefault(rest.pop(key), []).append(rest)
    return result
