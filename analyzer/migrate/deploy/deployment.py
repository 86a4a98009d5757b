"""A step of a deploy: Alembic's connection outside its transaction, settings, the lock, the watcher, and Ctrl-C."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection, Engine

from analyzer.migrate.deploy import session
from analyzer.migrate.deploy.catalog import State, read_state, read_table
from analyzer.migrate.deploy.deploy_lock import give_up, take_for_revision
from analyzer.migrate.deploy.driver import (
    INTERRUPTS,
    QUERY_CANCELED,
    DriverError,
    on_another_connection,
    reason,
    sqlstate,
)
from analyzer.migrate.deploy.load_limits import LoadLimits
from analyzer.migrate.deploy.options import Options, read_options
from analyzer.migrate.deploy.pooler import refuse_pooler
from analyzer.migrate.deploy.privileges import INSUFFICIENT, missing_grants
from analyzer.migrate.deploy.retry import until_locked
from analyzer.migrate.deploy.session import LOG
from analyzer.migrate.deploy.target import INTERRUPTED, DeployError, Target
from analyzer.migrate.deploy.watch import Watcher

#: Share of a statement's time that one of its locks may take: when it is one lock that is missing, the server says so.
_ONE_LOCK = 0.95
#: How often a build begins whose predecessor was canceled because a limit was exceeded.
_MOST_BUILDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """What a step works with."""

    connection: Connection
    options: Options
    watcher: Watcher
    limits: LoadLimits
    #: The backend of the connection.
    pid: int

    def build(self, sql: str, *, what: str, remedy: str, clear: Callable[[], None]) -> None:
        """Send a concurrent build within the limits, watched.

        One that the watcher cancels because a limit is exceeded is cleared away and begins again, a few times; after
        any other failure it is never sent again by itself.
        """
        exceeded: str | None = None
        for _ in range(_MOST_BUILDS):
            self.limits.wait(self.connection, what)
            failure: DeployError | None = None
            with self.watcher.watching(self.pid, what, limited=True) as watch:
                try:
                    session.execute(self.connection, sql, failed=f"{what} failed", remedy=remedy)
                except DeployError as error:
                    failure = error
            if failure is None:
                return
            exceeded = watch.exceeded
            if exceeded is None or sqlstate(failure) != QUERY_CANCELED:
                raise failure
            LOG.warning("%s was canceled: %s", what, exceeded)
            clear()
        raise DeployError(
            f"{what} was canceled {_MOST_BUILDS} times, at last because {exceeded}; run alembic upgrade again later, "
            "it continues from here"
        )

    def short(
        self, step: Callable[[], None], *, what: str, lock_timeout: str | None = None, concurrent: bool = False
    ) -> None:
        """Do a step that waits for locks a short while, watched and tried again until it gets them.

        A statement that takes several locks holds the first ones while it waits for the next, so the time is that of
        all of them; a `concurrent` one, behind which no session queues, may take longer.
        """
        wanted = {"lock_timeout": lock_timeout or self.options.lock_timeout}
        with self.watcher.watching(self.pid, what), session.settings(self.connection, wanted):
            most = 0 if concurrent else session.milliseconds(self.connection, "lock_timeout")
            limits = {"lock_timeout": f"{most * _ONE_LOCK:.0f}ms", "statement_timeout": f"{most}ms"} if most else {}
            with session.settings(self.connection, limits):
                until_locked(self.connection, self.options, step, what=what, most_seconds=most / 1000)

    def short_sql(
        self, sql: str, *, what: str, remedy: str, lock_timeout: str | None = None, concurrent: bool = False
    ) -> None:
        """Send a statement as `short` does a step."""
        self.short(
            lambda: session.execute(self.connection, sql, failed=f"{what} failed", remedy=remedy),
            what=what, lock_timeout=lock_timeout, concurrent=concurrent,
        )  # fmt: skip


#: Says in which state the object of a step is.
Condition = Callable[[Connection, Target], str]


@contextlib.contextmanager
def deploying(context: MigrationContext, target: Target, condition: Condition | None = None) -> Generator[Deploy]:
    """Leave Alembic's transaction for a step; what ran before it is committed.

    `condition` describes the object after an interrupt; by default it is an index.
    Raises DeployError, also for a lost connection; SystemExit 130 when the step is interrupted.
    """
    session.match_alembic_log_level()
    options = read_options(context)
    failure: BaseException | None = None
    source = context.connection.engine if context.connection is not None else None
    try:
        with contextlib.ExitStack() as stack:
            _enter_autocommit(context, stack)
            try:
                with (
                    unless_dropped(context.connection, target),
                    _naming_grants(context.connection, target),
                    _step(context, target, options) as deploy,
                ):
                    yield deploy
            except BaseException as error:
                failure = _meaning(error, target)
                raise
    except DeployError:
        raise
    except BaseException as error:
        if isinstance(failure, INTERRUPTS):
            _tell_interrupted(source, target, condition or _condition_of_index)
            raise SystemExit(INTERRUPTED) from None
        # A lost connection trips Alembic on the way out as well; what matters is why it was lost.
        if failure is None or failure is error:
            raise
        raise failure from (failure.__cause__ or error)


@contextlib.contextmanager
def unless_dropped(connection: Connection | None, target: Target) -> Generator[None]:
    """Let a step in one of several schemas fail when its table has been dropped in the meantime."""
    try:
        yield
    except (DeployError, DriverError):
        if target.schemas is None or connection is None or connection.invalidated:
            raise
        if read_table(connection, target) is not None:
            raise
        LOG.warning("%s was dropped in the meantime; skipped", target.qualified_table)


@contextlib.contextmanager
def _naming_grants(connection: Connection | None, target: Target) -> Generator[None]:
    """Say of a step that lacks privileges which statements give them."""
    try:
        yield
    except (DeployError, DriverError) as error:
        if connection is None or connection.invalidated or sqlstate(error) != INSUFFICIENT:
            raise
        grants = missing_grants(connection, target)
        if not grants:
            raise
        raise DeployError(f"{target.qualified_name}: {reason(error)}; run {grants}; then run alembic again") from error


@contextlib.contextmanager
def _step(context: MigrationContext, target: Target, options: Options) -> Generator[Deploy]:
    connection = context.connection
    if connection is None:
        raise DeployError("there is no connection; give Alembic one, or run it with --sql")
    refuse_pooler(connection)
    take_for_revision(context, connection, options)
    pid = int(session.call(connection, "read_pid")["pid"])
    limits = LoadLimits(options)
    limits.own.add(pid)
    try:
        with (
            contextlib.closing(Watcher(connection.engine, options, limits)) as watcher,
            session.settings(connection, session.unhurried(target.session())),
        ):
            yield Deploy(connection=connection, options=options, watcher=watcher, limits=limits, pid=pid)
    except BaseException:
        give_up(connection)
        raise


def _meaning(error: BaseException, target: Target) -> BaseException:
    """Say in one line what a lost connection means for the step."""
    if not isinstance(error, DriverError):
        return error
    failure = DeployError(f"the step of {target.qualified_name} failed: {error}; run alembic again to continue")
    failure.__cause__ = error
    return failure


def _tell_interrupted(source: Engine | None, target: Target, condition: Condition) -> None:
    """Say from a new connection in which state the object is; the interrupted one is closed."""
    found = "its state could not be read"
    if source is not None:
        with contextlib.suppress(DriverError, OSError):
            found = on_another_connection(source, lambda connection: condition(connection, target))
    LOG.warning("interrupted at %s: %s; run alembic again to continue", target.qualified_name, found)


def _condition_of_index(connection: Connection, target: Target) -> str:
    return _condition(read_state(connection, target))


def _condition(state: State | None) -> str:
    if state is None:
        return "it is not there"
    if state.valid:
        return "it is there and valid"
    busy = f", and backend {state.busy_pid} is still at work on it" if state.busy_pid is not None else ""
    return f"it is INVALID{busy}"


def _enter_autocommit(context: MigrationContext, stack: contextlib.ExitStack) -> None:
    try:
        stack.enter_context(context.autocommit_block())
    except AssertionError as error:
        raise DeployError(
            "an index cannot be built inside a transaction that Alembic did not begin; in env.py, call "
            "connection.commit() after statements that run before context.configure(), such as SET, and use "
            "engine.connect() instead of begin()"
        ) from error
