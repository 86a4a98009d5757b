"""What sessions were seen to run while a database was captured: how often, with which values, waiting for what."""

from typing import Annotated

from pydantic import Field

from analyzer.documents.bounds import Count, Name, Text
from analyzer.documents.record import SnapshotRecord
from analyzer.documents.server_log import MOST_BINDINGS, MOST_NAMES, LoggedBinding

#: Wait events kept of one statement: the most frequent.
MOST_WAITS = 8


class ActivitySampling(SnapshotRecord):
    """How pg_stat_activity of one server was sampled."""

    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    samples: Count


class SampledWait(SnapshotRecord):
    """A wait event of a statement."""

    #: Type and name, such as `Lock: tuple`; None while it was not waiting.
    event: Text | None
    #: Samples in which a session ran the statement and waited so.
    samples: Count


class SampledStatement(SnapshotRecord):
    """One statement that sessions were seen to run, under all of its constants."""

    #: Normalised: every constant is a parameter.
    query: Text
    queryids: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)] = ()
    #: Sessions that ran it, added up over the samples.
    samples: Count
    #: Its distinct executions, with those that a session had finished and begun no other after.
    executions: Count
    waits: Annotated[tuple[SampledWait, ...], Field(max_length=MOST_WAITS)] = ()
    #: The shares are those of executions.
    bindings: Annotated[tuple[LoggedBinding, ...], Field(max_length=MOST_BINDINGS)] = ()
