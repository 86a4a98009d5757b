"""Query a table only while no object that depends on it could run a user-defined function.

The planner always takes the newest catalog, whatever the transaction's snapshot shows, and ACCESS SHARE holds back
neither CREATE INDEX nor CREATE STATISTICS. So what a snapshot showed of a table is looked at again with a new one, in
the same message as the question, after the lock was taken and right before it; and once more behind it.
"""

import collections
import contextlib
import re
import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import psycopg
from psycopg import errors, generators, pq, sql
from psycopg.abc import PQGen
from psycopg.rows import DictRow
from psycopg.waiting import Ready, Wait

from analyzer.db import Connection, encoded, marked
from analyzer.documents.snapshot import NotExamined
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident, render

#: How the server quotes what the prepared look fails with.
_CHANGED = re.compile(r"twindex: changed (before|after) (\d+)")
#: Tables named one by one.
_TABLES_NAMED = 200
_SAVEPOINT = b"SAVEPOINT twindex_question"
_BACK = b"ROLLBACK TO SAVEPOINT twindex_question;\nRELEASE SAVEPOINT twindex_question"


class ChangedError(psycopg.Error):
    """A table differs from the state in which it was found to run no user-defined function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A transaction in which each statement sees the current state, and the tables as first seen."""

    connection: Connection
    #: Oid and fingerprint of each table that may be asked about.
    known: Mapping[QualifiedName, tuple[int, int]]
    #: Those that turned out changed: before, or only after a question on them was planned.
    changed: dict[QualifiedName, Literal["before", "after"]] = field(
        default_factory=dict[QualifiedName, Literal["before", "after"]]
    )
    #: Part of the names of what is prepared; behind a pooler another capture may have left some.
    token: str = field(default_factory=lambda: secrets.token_hex(6))

    def prepare(self) -> None:
        """Prepare the check; it is planned once, because planning takes longer than running it."""
        # psycopg would deallocate all after each ROLLBACK TO had it prepared statements of its own.
        self.connection.prepare_threshold = None
        self.connection.execute(render("capture/plan_once"))
        self.connection.execute(marked("capture/fingerprints", name=self._look_name).as_string(None).encode())

    def release(self) -> None:
        """Deallocate the prepared statements, because a pooler may share the session."""
        self.connection.execute(sql.SQL("DEALLOCATE {}").format(sql.Identifier(self._look_name)))

    def rows(self, about: Sequence[QualifiedName], asked: Sequence[tuple[bytes, bytes]]) -> list[list[DictRow]]:
        """Ask questions about tables, each with its settings; raises ChangedError if a table changed."""
        message, positions = self._message(about, asked)
        cursor = self.connection.cursor()
        try:
            cursor.execute(message)
        except psycopg.Error as error:
            self._back()
            raise self._explained(error, about) from None
        answers: list[list[DictRow]] = []
        for position in range(positions[-1] + 1):
            if position:
                cursor.nextset()
            if position in positions:
                answers.append(cursor.fetchall())
        return answers

    def lines(self, about: QualifiedName, question: bytes) -> Generator[bytes]:
        """Yield the lines of a COPY TO STDOUT; raises ChangedError, perhaps behind the last of them."""
        message, _ = self._message((about,), [(b"", question)])
        # psycopg's own copy() takes no message of several statements.
        self.connection.pgconn.send_query(message)
        self.connection.wait(generators.send(self.connection.pgconn))
        try:
            yield from self._answer()
        except psycopg.Error as error:
            self._back()
            raise self._explained(error, (about,)) from None
        except GeneratorExit:
            self.connection.cancel_safe()
            with contextlib.suppress(psycopg.Error):
                collections.deque(self._answer(), maxlen=0)
            self._back()
            raise

    def not_examined(self) -> list[NotExamined]:
        """List the tables that changed."""
        gaps = [NotExamined(what=f"values of {ident(*table)}", reason=_REASONS[when]) for table, when in self.named()]
        if len(self.changed) > _TABLES_NAMED:
            what = f"values of {len(self.changed) - _TABLES_NAMED} more tables"
            gaps.append(NotExamined(what=what, reason=_REASONS[max(self.changed.values(), key="after".__eq__)]))
        return gaps

    def named(self) -> list[tuple[QualifiedName, Literal["before", "after"]]]:
        """Return the tables to list individually; first those on which a function may have run."""
        return sorted(self.changed.items(), key=lambda each: (each[1] != "after", each[0]))[:_TABLES_NAMED]

    @property
    def _look_name(self) -> str:
        return f"twindex_look_{self.token}"

    def _message(self, about: Sequence[QualifiedName], asked: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, list[int]]:
        """Combine lock, and for each query its check, and a last check; return also the places of the results."""
        if gone := [table for table in about if table in self.changed or table not in self.known]:
            raise ChangedError(f"{ident(*gone[0])} changed")
        hold = f"twindex_hold_{secrets.token_hex(6)}"
        names = {"name": hold, "tables": list(about)}
        parts = [
            _SAVEPOINT,
            encoded(self.connection, render("capture/hold", **names).as_string(None)),
            render("capture/wait_no_more").as_string(None).encode(),
        ]
        positions: list[int] = []
        for settings, question in asked:
            parts += [*([settings] if settings else []), self._look(about, "before"), question]
            positions.append(len(parts) - 1)
        parts += [self._look(about, "after"), f"DEALLOCATE {hold}".encode(), _BACK]
        return b";\n".join(parts), positions

    def _look(self, about: Sequence[QualifiedName], when: str) -> bytes:
        oids, prints = zip(*(self.known[table] for table in about), strict=True)
        numbers = (",".join(map(str, each)) for each in (oids, prints))
        return "EXECUTE {} ('{{{}}}', '{{{}}}', '{}')".format(self._look_name, *numbers, when).encode()

    def _answer(self) -> Generator[bytes]:
        """Yield the lines of the one COPY among the results; raises what the server failed with."""
        connection = self.connection.pgconn
        failure: psycopg.Error | None = None
        while (result := self.connection.wait(generators.fetch(connection))) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = errors.error_from_result(result, encoding=self.connection.info.encoding)
            while result.status == pq.ExecStatus.COPY_OUT and (line := self.connection.wait(_line(connection))):
                yield line
        if failure is not None:
            raise failure

    def _back(self) -> None:
        if self.connection.info.transaction_status == pq.TransactionStatus.INERROR:
            self.connection.execute(_BACK)

    def _explained(self, error: psycopg.Error, about: Sequence[QualifiedName]) -> psycopg.Error:
        found = _CHANGED.search(str(error)) if isinstance(error, errors.InvalidTextRepresentation) else None
        for table in about if found else ():
            if found is not None and self.known[table][0] == int(found[2]):
                self.changed[table] = "after" if found[1] == "after" else "before"
        return ChangedError("a table changed") if found else error


_REASONS = {
    "before": "objects that depend on it changed during the capture, so it was not read any further; capture again",
    "after": (
        "objects that depend on it changed while it was read, so a function of its owner may have run with the "
        "privileges of the capturing role; the result was discarded; check its newest indexes and statistics objects"
    ),
}


def _line(connection: pq.abc.PGconn) -> PQGen[bytes]:
    """Wait for a line of a COPY; empty behind the last one."""
    while True:
        length, line = connection.get_copy_data(1)
        if length > 0:
            return bytes(line)
        if length < 0:
            return b""
        ready: Ready | int | None = None
        while not ready:
            ready = yield Wait.R
        connection.consume_input()
