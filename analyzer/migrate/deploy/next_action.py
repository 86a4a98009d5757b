"""Decide from the catalog what remains to be done for one index, each time again: any step may be repeated."""

import enum
from collections.abc import Callable

from analyzer.migrate.deploy.catalog import State


class Action(enum.Enum):
    """What remains to be done for a declared index."""

    BUILD = "it is not there"
    SKIP = "it is there as wanted"
    REPLACE = "it is there with another definition"
    #: Another backend builds or drops it.
    WAIT = "a session is working on it"
    #: An INVALID leftover: drop it, then build.
    REBUILD = "it is INVALID and no session is working on it"
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
