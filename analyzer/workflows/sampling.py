"""Sample what sessions run while a database is captured."""

import contextlib
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event

import psycopg

from analyzer.capture.running import sample_activity
from analyzer.db import without_secrets
from analyzer.documents.activity import ActivitySampling
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import TwindexError
from analyzer.workload.sampled_activity import SampledActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Servers that are sampled."""

    activity: SampledActivity
    #: Of each server: how long it was sampled, and why not to the end.
    ends: tuple[Future[tuple[float, str | None]], ...] = ()

    def wait(self) -> None:
        """Wait for the end."""
        for end in self.ends:
            end.result()

    def added_to(self, snapshot: Snapshot, *, values: bool) -> Snapshot:
        """Wait for the end, and return the snapshot with what was seen; without `values`, with no constant of it."""
        if not self.ends:
            return snapshot
        ended = [end.result() for end in self.ends]
        failed = [
            NotExamined(
                what=f"activity of replica {server}" if server else "activity of the server",
                reason=reason if values else "the connection failed or was lost",  # the reason may name a host
            )
            for server, (_, reason) in enumerate(ended)
            if reason is not None
        ]
        gaps = (*failed, *self.activity.gaps(snapshot.server.role))
        return snapshot.model_copy(
            update={
                "activity_samplings": tuple(
                    ActivitySampling(seconds=seconds, samples=self.activity.samples[server])
                    for server, (seconds, _) in enumerate(ended)
                ),
                "sampled_statements": self.activity.statements(values=values),
                "not_examined": (*snapshot.not_examined, *gaps),
            }
        )


@contextlib.contextmanager
def sampling(urls: Sequence[str], seconds: float | None, *, allow_superuser: bool) -> Generator[Sampling]:
    """Sample servers for some time, each in a thread of its own; leaving early ends it."""
    activity, stop = SampledActivity(), Event()
    if not seconds:
        yield Sampling(activity=activity)
        return
    with ThreadPoolExecutor(max_workers=len(urls)) as pool:
        try:
            ends = [
                pool.submit(_sample, url, seconds, server, activity, stop, allow_superuser=allow_superuser)
                for server, url in enumerate(urls)
            ]
            yield Sampling(activity=activity, ends=tuple(ends))
        finally:
            stop.set()


def _sample(
    url: str, seconds: float, server: int, activity: SampledActivity, stop: Event, *, allow_superuser: bool
) -> tuple[float, str | None]:
    """Sample one server, and say how long; what ends it does not end the capture, and is returned."""
    began, reason = time.monotonic(), None
    try:
        see = partial(activity.see, server)
        sample_activity(url, seconds=seconds, see=see, stop=stop, allow_superuser=allow_superuser)
    except (TwindexError, psycopg.Error) as error:
        reason = without_secrets(str(error), url)
    return time.monotonic() - began, reason
