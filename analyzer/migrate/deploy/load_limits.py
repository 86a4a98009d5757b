"""Keep builds from a server that is busy or whose replicas lag: `twindex_max_active` and `twindex_max_lag`."""

import time
from collections.abc import Iterator

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.backends import duration
from analyzer.migrate.deploy.options import Options
from analyzer.migrate.deploy.retry import poll
from analyzer.migrate.deploy.session import LOG, row, rows
from analyzer.migrate.deploy.target import DeployError


class LoadLimits:
    """The limits of one deploy, and what it needs to remember to measure against them; used by several threads."""

    def __init__(self, options: Options) -> None:
        """Take the options that set the limits."""
        self._options = options
        #: Backends of the deploy, which are no load of others.
        self.own: set[int] = set()
        #: A position in the WAL that a replica, by the pid of its WAL sender, is to replay, and since when.
        self._awaited: dict[int, tuple[int, float]] = {}
        self._told: set[str] = set()

    @property
    def are_set(self) -> bool:
        """Say whether there is a limit at all."""
        return self._options.max_lag is not None or self._options.max_active is not None

    def exceeded(self, connection: Connection) -> str | None:
        """Say what exceeds its limit; None when nothing does."""
        return " and ".join((*self._lagging(connection), *self._busy(connection))) or None

    def wait(self, connection: Connection, what: str) -> None:
        """Wait until nothing exceeds its limit; raises DeployError when that takes too long."""
        exceeded = self.exceeded(connection)
        if exceeded is None:
            return
        LOG.warning("%s waits: %s", what, exceeded)
        seconds = self._options.build_wait_seconds
        exceeded = poll(
            connection, lambda: self.exceeded(connection), done=lambda found: found is None, seconds=seconds
        )
        if exceeded is not None:
            raise DeployError(
                f"{what} did not begin within {duration(seconds)}: {exceeded}; run alembic upgrade again later, it "
                "continues from here"
            )

    def _lagging(self, connection: Connection) -> Iterator[str]:
        if self._options.max_lag is None:
            return
        limit = self._options.max_lag.total_seconds()
        for replica in rows(connection, "read_replicas"):
            if replica["hidden"]:
                self._tell_hidden("max_lag", f"how far the replica {replica['name']} is behind")
                continue
            lag = self._lag(replica["pid"], replica["replayed"], replica["written"], replica["lag_seconds"] or 0.0)
            if lag > limit:
                yield f"the replica {replica['name']} is {duration(lag)} behind (twindex_max_lag: {duration(limit)})"

    def _lag(self, pid: int, replayed: int, written: int, said: float) -> float:
        """Return a replica's lag: what it says, or for how long it has been seen not to replay what was written."""
        now = time.monotonic()
        position, since = self._awaited.get(pid, (replayed, now))
        if replayed >= position:
            self._awaited[pid], since = (written, now), now
        return max(said, now - since) if replayed < written else 0.0

    def _busy(self, connection: Connection) -> Iterator[str]:
        limit = self._options.max_active
        if limit is None:
            return
        found = row(connection, "read_active_sessions", own=sorted(self.own))
        if found["hidden"]:
            self._tell_hidden("max_active", f"whether {found['hidden']} sessions of other roles are active")
        if found["active"] > limit:
            yield f"{found['active']} active sessions of others (twindex_max_active: {limit})"

    def _tell_hidden(self, option: str, what: str) -> None:
        if option not in self._told:
            self._told.add(option)
            LOG.warning("twindex_%s: this role does not see %s; GRANT pg_read_all_stats to it", option, what)
