"""Say who holds a deploy up."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.session import rows

_QUERY_CHARACTERS = 120
_PASSWORD = re.compile(r"(password\s*=?\s*)('(?:[^']|'')*'|\"[^\"]*\"|[^\s,;)]+)", re.IGNORECASE)
#: pg_blocking_pids() says 0 for a transaction that is prepared, which no backend runs any more.
PREPARED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Another session, as pg_stat_activity shows it."""

    pid: int
    role: str | None
    application: str | None
    #: None where the role of the deploy may not see it, or the session is gone.
    state: str | None
    query: str | None
    #: Age of its transaction, or of its state outside one.
    age_seconds: float | None

    def describe(self, *, private: bool) -> str:
        """Name pid, role, application, state and age, and the start of its statement unless that is private."""
        if self.pid == PREPARED:
            return "a prepared transaction (see pg_prepared_xacts)"
        facts = [f"role {self.role}"] if self.role else []
        facts += [f"application {self.application}"] if self.application else []
        facts += [self.state] if self.state else []
        facts += [f"for {duration(self.age_seconds)}"] if self.age_seconds is not None else []
        text = f"pid {self.pid}" + (f" ({', '.join(facts)})" if facts else "")
        return text if private or not self.query else f"{text}: {_shown(self.query)}"


def read_backends(connection: Connection, pids: Collection[int]) -> tuple[Backend, ...]:
    """Read what backends are doing; one that is gone is known by its pid alone."""
    known = {row["pid"]: Backend(**row) for row in rows(connection, "read_backends", pids=sorted(pids))}
    return tuple(known.get(pid) or _unknown(pid) for pid in sorted(pids))


def duration(seconds: float) -> str:
    """Write an age as a person says it."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _unknown(pid: int) -> Backend:
    return Backend(pid=pid, role=None, application=None, state=None, query=None, age_seconds=None)


def _shown(query: str) -> str:
    """Cut a statement to one short line without a password that it sets."""
    line = _PASSWORD.sub(r"\1***", " ".join(query.split()))
    return line if len(line) <= _QUERY_CHARACTERS else line[: _QUERY_CHARACTERS - 1] + "…"
