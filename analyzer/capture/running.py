"""Sample pg_stat_activity for some seconds, at a rate that a server does not notice."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event
from typing import Final

from psycopg.rows import DictRow

from analyzer.capture.reader import Reader
from analyzer.db import reading, see_the_present

#: Between two samples, or so many times as long as one takes, whichever is longer.
_SECONDS_BETWEEN: Final = 0.15
_REST: Final = 10
#: Sessions of one sample, those with the newest statements, and bytes of a text.
_MOST_SESSIONS: Final = 2_000
_LONGEST_TEXT: Final = 8_000
_TIMEOUT_MS: Final = 5_000
#: Of all sessions of a capture, which are not sampled.
_APPLICATION: Final = "twindex capture"


def sample_activity(
    url: str, *, seconds: float, see: Callable[[Sequence[DictRow]], None], stop: Event, allow_superuser: bool
) -> None:
    """Give what sessions run to `see`, again and again, until the time is over or `stop` is set.

    No transaction is open in between. Raises what `reading` raises, and psycopg.Error.
    """
    limits = {"statement_timeout_ms": _TIMEOUT_MS}
    with reading(url, application=_APPLICATION, allow_superuser=allow_superuser, **limits) as connection:
        reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
        end, since = time.monotonic() + seconds, None
        while not stop.is_set():
            began = time.monotonic()
            see_the_present(connection, **limits)
            bind = {"since": since, "most": _MOST_SESSIONS, "longest": _LONGEST_TEXT, "application": _APPLICATION}
            rows = reader.rows("running", bind)
            connection.rollback()
            see(rows)
            starts = (row["query_start"] for row in rows)
            since = max((each for each in starts if isinstance(each, datetime)), default=since)
            now = time.monotonic()
            pause = max(_SECONDS_BETWEEN, _REST * (now - began))
            if now + pause > end:
                stop.wait(max(end - now, 0))
                break
            stop.wait(pause)
