"""Wait until queries use an index: a valid one may be closed to them while an older transaction runs."""

import math

from analyzer.migrate.deploy.backends import read_backends
from analyzer.migrate.deploy.catalog import State, read_state
from analyzer.migrate.deploy.deployment import Deploy
from analyzer.migrate.deploy.retry import poll
from analyzer.migrate.deploy.session import LOG, milliseconds, row
from analyzer.migrate.deploy.target import DeployError, Target


def serves_within(deploy: Deploy, state: State, seconds: float) -> bool:
    """Say whether queries use an index at once or soon."""
    return (
        poll(deploy.connection, lambda: _hindrance(deploy, state), done=lambda found: found is None, seconds=seconds)
        is None
    )


def await_serving(deploy: Deploy, target: Target) -> None:
    """Wait until every transaction may use an index, so that what it takes the place of can go.

    A plain build that meets rows whose older versions some snapshot may still see leaves it ignored by the planner
    until those transactions end (`pg_index.indcheckxmin`); a concurrent build waits for them itself.
    Raises DeployError when that takes longer than the step may wait for locks.
    """
    state = read_state(deploy.connection, target)
    if state is None or serves_within(deploy, state, 0):
        return
    hindrance = _hindrance(deploy, state)
    LOG.warning("%s is not used by queries until %s ends; waiting", target.qualified_name, _who(deploy, hindrance))
    limit = milliseconds(deploy.connection, "lock_timeout")
    if not serves_within(deploy, state, limit / 1000 if limit else math.inf):
        raise DeployError(
            f"{target.qualified_name} is valid, but queries do not use it until {_who(deploy, hindrance)} ends; then "
            "run alembic again"
        )


def _hindrance(deploy: Deploy, state: State) -> tuple[int, ...] | None:
    """Return whose end queries wait for before they use an index, as far as that is known; None when they do use it."""
    found = row(deploy.connection, "read_serving", index=state.oid)
    return None if found["serves"] else tuple(found["pids"])


def _who(deploy: Deploy, pids: tuple[int, ...] | None) -> str:
    backends = read_backends(deploy.connection, pids or ())
    return " and ".join(each.describe(private=deploy.options.private) for each in backends) or "an older transaction"
