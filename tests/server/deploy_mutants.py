"""Executors with a deliberate fault, for the env.py of a deploy under test: what the fuzzer has to catch."""

from collections.abc import Callable
from typing import Any

from analyzer.migrate.deploy import build, online, partitions
from analyzer.migrate.deploy.next_action import Action, decide


def _keep_leftovers() -> None:
    def nothing(*_arguments: Any) -> None: ...

    online.sweep = nothing


def _believe_invalid() -> None:
    """Take any index for the one wanted, as IF NOT EXISTS does."""

    def believed(state: Any, same: Any) -> Action:
        found = decide(state, same)
        return Action.SKIP if found in {Action.REBUILD, Action.COMPLETE} else found

    build.decide = partitions.decide = believed


def _drop_first() -> None:
    """Drop the old index before the new one is built."""
    original = online.make_room

    def drops(deploy: Any, target: Any, beside: Any) -> None:
        original(deploy, target, beside)
        state = build.read_state(deploy.connection, target)
        if state is not None:
            build.drop(deploy, state)

    online.make_room = drops


MUTANTS: dict[str, Callable[[], None]] = {
    "keeps what an interrupted step left": _keep_leftovers,
    "takes an INVALID index for the one wanted": _believe_invalid,
    "drops the old index first": _drop_first,
}
