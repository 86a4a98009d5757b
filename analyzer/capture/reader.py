"""The only way a capture queries the server: a template, in a savepoint that is rolled back.

The rollback releases the locks of the query, so that a capture holds none between two queries.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg import ClientCursor, errors, sql
from psycopg.rows import DictRow
from pydantic import ValidationError

from analyzer.capture.changing import CHANGED, CHANGES, failed, first_line, named, printed_wrongly
from analyzer.capture.guard import ChangedError, Guard
from analyzer.db import Connection, decoded, encoded, marked
from analyzer.documents.record import Record
from analyzer.documents.snapshot import NotExamined
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.sql_ascii import has_other_bytes
from analyzer.sql import ident

R = TypeVar("R", bound=Record)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A read-only transaction and the server's major version."""

    connection: Connection
    major: int
    #: What read text that is not UTF-8, of a database that says nothing of its encoding.
    other_bytes: set[str] = field(default_factory=set[str])
    #: Objects that other sessions changed since the transaction began, and how that showed.
    changed: dict[str, str] = field(default_factory=dict[str, str])
    #: Watches the tables that are asked about; without one, anything that hangs on them may run.
    guard: Guard | None = None

    def not_examined(self) -> list[NotExamined]:
        """List what other sessions changed, and say what no encoding is known of."""
        reason = (
            f"the encoding of the database is unknown (SQL_ASCII), and its {', '.join(sorted(self.other_bytes))} hold "
            "bytes that are not UTF-8; the twin orders them otherwise, so that estimates of text ranges are inexact"
        )
        gaps = list(named(self.changed))
        return [*gaps, NotExamined(what="encoding of text", reason=reason)] if self.other_bytes else gaps

    def rows(self, template: str, bind: Mapping[str, object] | None = None, /, **names: object) -> list[DictRow]:
        """Ask `capture/<template>`; `bind` are bound values, `names` go into the template."""
        with self.connection.transaction(force_rollback=True):
            return self._ask(template, bind, names)

    def row(self, template: str, bind: Mapping[str, object] | None = None, /, **names: object) -> DictRow:
        """Ask `capture/<template>` for its one row."""
        rows = self.rows(template, bind, **names)
        (row,) = rows
        return row

    def printed(
        self,
        template: str,
        bind: Mapping[str, object] | None = None,
        /,
        *,
        what: Callable[[DictRow], str],
        naming: Sequence[str] = ("oid", "schema_name", "name"),
        required: str | None = None,
        **names: object,
    ) -> list[DictRow]:
        """Ask `capture/<template>`, which prints objects; one that was changed since is left out and noted.

        `what` names an object by the columns `naming`, whose first tells one from another. Without the `required`
        column, an object no longer exists.
        """
        try:
            rows = self.rows(template, bind, **names)
        except CHANGES:
            names = {**names, "template": template, "naming": naming}
            objects = {row[naming[0]]: row for row in self.rows("some", bind, chosen=False, **names)}
            rows = self._halved(bind or {}, names, objects, what)
        if required is None:
            return rows
        self.changed.update({what(row): CHANGED for row in rows if row[required] is None})
        return [row for row in rows if row[required] is not None]

    def _halved(
        self,
        bind: Mapping[str, object],
        names: Mapping[str, object],
        objects: Mapping[int, DictRow],
        what: Callable[[DictRow], str],
    ) -> list[DictRow]:
        """Ask about ever fewer objects, down to those that cannot be printed."""
        if not objects:
            return []
        try:
            return self.rows("some", {**bind, "chosen": list(objects)}, chosen=True, **names)
        except CHANGES as error:
            if len(objects) == 1:
                self.changed.update({what(row): failed(error) for row in objects.values()})
                return []
        listed = list(objects.items())
        middle = len(listed) // 2
        halves = (dict(listed[:middle]), dict(listed[middle:]))
        return [row for half in halves for row in self._halved(bind, names, half, what)]

    def record(self, what: str, model: Callable[..., R], /, **fields: object) -> Iterator[R]:
        """Yield the record of an object, or note that it cannot be made of what the server printed."""
        try:
            yield model(**fields)
        except ValidationError as error:
            self.changed[what] = printed_wrongly(error)

    def records(
        self, kind: str, model: Callable[..., R], template: str, bind: Mapping[str, object] | None = None, /
    ) -> tuple[R, ...]:
        """Ask `capture/<template>` about objects of a kind, and return their records."""
        what = partial(name_of, kind)
        rows = self.printed(template, bind, what=what)
        return tuple(found for row in rows for found in self.record(what(row), model, **row))

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
                yield decoded(self.connection, line).removesuffix("\n")

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

    def rows_about(self, about: Sequence[QualifiedName], template: str, /, **names: object) -> list[DictRow]:
        """Ask `capture/<template>` about relations."""
        (rows,) = self._rows_about(about, template, None, [({}, names)])
        return rows

    def _rows_about(
        self,
        about: Sequence[QualifiedName],
        template: str,
        settings: str | None,
        asked: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
    ) -> list[list[DictRow]]:
        if self.guard is None:
            answers: list[list[DictRow]] = []
            for bind, names in asked:
                with self.connection.transaction(force_rollback=True):
                    if settings is not None:
                        self._ask(settings, bind, {})
                    answers.append(self._ask(template, None, names))
            return answers
        settled = [b""] * len(asked)
        if settings is not None:
            query, cursor = decoded(self.connection, self._query(settings, {})), ClientCursor(self.connection)
            texts = [cursor.mogrify(sql.SQL(cast("LiteralString", query)), bind) for bind, _ in asked]
            settled = [encoded(self.connection, text) for text in texts]
        questions = [self._query(template, names) for _, names in asked]
        answers = self.guard.rows(about, list(zip(settled, questions, strict=True)))
        return [self._noted(template, rows) for rows in answers]

    def fix_session(self) -> None:
        """Fix the settings that affect output, for the rest of the transaction."""
        self._ask("fix_session", None, {})
        # Without the privilege every leading column costs its index two scans in the counters; nothing else changes.
        with contextlib.suppress(errors.InsufficientPrivilege), self.connection.transaction():
            self._ask("stop_counting", None, {})

    def _query(self, template: str, names: Mapping[str, object]) -> bytes:
        query = marked(f"capture/{template}", pg=self.major, **names)
        return encoded(self.connection, query.as_string(None))

    def _ask(self, template: str, bind: Mapping[str, object] | None, names: Mapping[str, object]) -> list[DictRow]:
        query = self._query(template, names)
        return self._noted(template, self.connection.execute(query, bind).fetchall())

    def _noted(self, template: str, rows: list[DictRow]) -> list[DictRow]:
        """Note whether rows hold text that is not UTF-8."""
        if self.connection.info.encoding == "ascii" and any(map(_has_other_bytes, rows)):
            self.other_bytes.add(template.replace("_", " "))
        return rows


def name_of(kind: str, row: DictRow) -> str:
    """Name an object by its kind and a row about it; a cast has no name."""
    names = [name for name in (row["schema_name"], row["name"]) if name is not None]
    return f"{kind} {ident(*names)}" if names else f"{kind} with OID {row['oid']}"


def _has_other_bytes(value: object) -> bool:
    if isinstance(value, str):
        return has_other_bytes(value)
    if isinstance(value, Mapping):
        return any(_has_other_bytes(part) for each in cast("Mapping[str, object]", value).items() for part in each)
    return isinstance(value, list | tuple) and any(map(_has_other_bytes, cast("Sequence[object]", value)))


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
        case psycopg.ProgrammingError() if error.diag.context:
            within = error.diag.context.splitlines()[0]
            return (
                f"{error.diag.message_primary} ({within}): a capture finds names in pg_catalog only; write the schema "
                "before the names in that function"
            )
        case _:
            return first_line(error)


def grouped(rows: list[DictRow], key: str = "oid") -> dict[int, list[dict[str, Any]]]:
    """Collect rows by one of their columns, which is left out of them."""
    result: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        rest = dict(row)
        result.setdefault(rest.pop(key), []).append(rest)
    return result
