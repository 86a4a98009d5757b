"""Wait until queries use an index: a valid one may be closed to them while an older transaction runs."""

from analyzer.migrate.deploy.backends import read_backends
from analyzer.migrate.deploy.catalog import read_state
from analyzer.migrate.deploy.deployment import Deploy
from analyzer.migrate.deploy.retry import poll
from analyzer.migrate.deploy.session import LOG, milliseconds, row
from analyzer.migrate.deploy.target import DeployError, Target


def await_serving(deploy: Deploy, target: Target) -> None:
    """Wait until every transaction may use an index, so that what it takes the place of can go.

    A plain build that meets rows whose older versions some snapshot may still see leaves it ignored by the planner until
    those transactions end (`pg_index.indcheckxmin`); a concurrent build waits for them itself.
    Raises DeployError when that takes longer than the step may wait for locks.
    """
    state = read_state(deploy.connection, target)
    if state is None:
        return
    told = False

    def ask() -> tuple[int, ...] | None:
        """Return who is in the way, as far as that is known; None for nobody."""
        nonlocal told
        found = row(deploy.connection, "read_serving", index=state.oid)
        pids = None if found["serves"] else tuple(found["pids"])
        if pids is not None and not told:
            told = True
            LOG.warning("%s is not used by queries until %s ends; waiting", target.qualified_name, _who(deploy, pids))
        return pids

    limit = milliseconds(deploy.connection, "lock_timeout")
    pids = poll(ask, done=lambda pids: pids is None, seconds=limit / 1000 if limit else None)
    if pids is not None:
        raise DeployError(
            f"{target.qualified_name} is valid, but queries do not use it until {_who(deploy, pids)} ends; then run "
            "alembic again"
        )


def _who(deploy: Deploy, pids: tuple[int, ...]) -> str:
    backends = read_backends(deploy.connection, pids)
    return " and ".join(each.describe(private=deploy.options.private) for each in backends) or "an older transaction"
