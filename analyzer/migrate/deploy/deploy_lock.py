"""One deploy at a time in a database.

The lock is an advisory one of the session that builds. It is asked for again and again with pg_try_advisory_lock:
a session that waits in pg_advisory_lock() holds a snapshot, for which a concurrent build waits in turn, a deadlock.
"""

import contextlib
import hashlib
from collections.abc import Generator
from typing import Any

from alembic import context as environment
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.backends import read_backends
from analyzer.migrate.deploy.driver import INTERRUPTS, DriverError, ended, reason
from analyzer.migrate.deploy.options import Options, options_of
from analyzer.migrate.deploy.pooler import refuse_pooler
from analyzer.migrate.deploy.retry import poll
from analyzer.migrate.deploy.session import LOG, call, match_alembic_log_level, rows, settle
from analyzer.migrate.deploy.target import INTERRUPTED, DeployError

#: The same in every database; advisory locks are the database's own.
KEY = int.from_bytes(hashlib.sha256(b"twindex deploy").digest()[:8], "big", signed=True)
#: Marks, in Connection.info, a session whose revision holds the lock.
_HELD = "twindex deploy lock"


@contextlib.contextmanager
def one_deploy(connection: Connection, options: Options | None = None) -> Generator[None]:
    """Hold the lock during the block, and end it in one line when the connection is lost or Ctrl-C is pressed.

    A revision takes the lock by itself. Around `context.run_migrations()` in env.py it makes a second deployer wait
    before Alembic reads which revision the database is at, so that it goes on from where the first one ended. Commands
    that go to no revision, such as `alembic current` and `alembic check`, do not wait.
    `options` are by default those of the env.py that runs. Raises DeployError when another deploy holds the lock for
    too long, or the connection is lost; SystemExit 130 for Ctrl-C.
    """
    options = options or _options()
    if options is None:
        yield
        return
    match_alembic_log_level()
    try:
        refuse_pooler(connection)  # where the lock would stay in a session that is given to others
        if not _try(connection):
            _wait(connection, options)
        try:
            yield
        finally:
            _release(connection)
    except DeployError:
        raise
    except Exception as error:
        if not isinstance(error, DriverError) and not ended(connection, error):
            raise
        how = "the connection was lost" if connection.invalidated else "the deploy was ended"
        raise DeployError(f"{how}: {reason(error)}; run alembic again to continue") from error
    except INTERRUPTS:
        LOG.warning("interrupted; run alembic again")
        raise SystemExit(INTERRUPTED) from None


def _options() -> Options | None:
    """Read the options of the env.py that runs; None when its command goes to no revision."""
    try:
        environment.get_revision_argument()
    except NameError:  # no env.py runs
        return Options()
    except KeyError:
        return None
    except CommandError:
        pass  # Alembic says it when it comes to it
    return options_of(environment.config, environment.get_x_argument(as_dictionary=True))


def take_for_revision(context: MigrationContext, connection: Connection, options: Options) -> None:
    """Take the lock until the revision that runs now is recorded as applied.

    Raises DeployError when another deploy changed the revision of the database in the meantime; SystemExit 0 when that
    one left nothing to do for the `alembic` command that runs this one.
    """
    if connection.info.get(_HELD):
        return
    if not _try(connection):
        before = context.get_current_heads()
        _wait(connection, options)
        after = context.get_current_heads()
        if after != before:
            _release(connection)
            _end_well(context, after)
    connection.info[_HELD] = True
    context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, _hand_over)


def give_up(connection: Connection) -> None:
    """Release the lock of a revision that failed."""
    if not connection.invalidated and connection.info.pop(_HELD, None):
        _release(connection)


def _hand_over(*, ctx: MigrationContext, **_facts: Any) -> None:
    """Let the transaction that records the revision hold the lock from here to its commit."""
    connection = ctx.connection
    ctx.on_version_apply_callbacks = tuple(each for each in ctx.on_version_apply_callbacks if each is not _hand_over)
    if connection is not None and connection.info.pop(_HELD, None):
        call(connection, "keep_lock", key=KEY)
        call(connection, "unlock", key=KEY)


def _end_well(context: MigrationContext, heads: tuple[str, ...]) -> None:
    """End a deploy that another one overtook."""
    environment = context.environment_context
    where = f"the database is at {', '.join(heads) or 'base'} now"
    if environment is not None and environment.config.cmd_opts is not None:
        with contextlib.suppress(CommandError):
            wanted = environment.get_revision_argument()
            if {*((wanted,) if isinstance(wanted, str) else wanted or ())} == {*heads}:
                LOG.warning("another deploy completed everything: %s", where)
                raise SystemExit(0)
    raise DeployError(f"another deploy ran in the meantime, and {where}; run alembic again to continue")


def _wait(connection: Connection, options: Options) -> None:
    LOG.warning("another deploy is running, %s; waiting for it to end", _holder(connection, options))
    if not poll(connection, lambda: _try(connection), done=bool, seconds=options.deploy_wait_seconds):
        raise DeployError(
            f"another deploy of this database did not end within {options.deploy_wait_seconds:.0f} s: "
            f"{_holder(connection, options)}; run alembic again when it has"
        )


def _try(connection: Connection) -> bool:
    taken = bool(call(connection, "try_lock", key=KEY)["taken"])
    settle(connection)
    return taken


def _release(connection: Connection) -> None:
    if not connection.invalidated and not connection.closed:
        # In a transaction that failed nothing can be said any more; the end of the session releases the lock.
        with contextlib.suppress(DriverError):
            call(connection, "unlock", key=KEY)
            settle(connection)


def _holder(connection: Connection, options: Options) -> str:
    pids = [each["pid"] for each in rows(connection, "read_lock_holder", key=KEY)]
    backends = read_backends(connection, pids)
    settle(connection)
    return " and ".join(each.describe(private=options.private) for each in backends) or "just ended"
