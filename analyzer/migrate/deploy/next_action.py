"""Decide from the catalog what is left to do for one index, afresh each time: any step may be repeated."""

import enum
from collections.abc import Callable

from analyzer.migrate.deploy.catalog import State


class Action(enum.Enum):
    """What is left to do for an index that is wanted."""

    BUILD = "it is not there"
    SKIP = "it is there as wanted"
    REPLACE = "it is there with another definition"
    #: Another backend builds or drops it.
    WAIT = "somebody is at work on it"
    #: An INVALID leftover: drop it, then build.
    REBUILD = "it is INVALID and nobody is at work on it"
    #: A partitioned index that lacks parts.
    COMPLETE = "its partitions' indexes are not all attached"


def decide(state: State | None, same: Callable[[State], bool]) -> Action:
    """Decide for one index; `same` says whether an existing one is as wanted, and is asked only when that matters."""
    if state is None:
        return Action.BUILD
    if state.valid:
        return Action.SKIP if same(state) else Action.REPLACE
    if state.busy_pid is not None:
        return Action.WAIT
    if state.partitioned:
        return Action.COMPLETE if same(state) else Action.REPLACE
    return Action.REBUILD
