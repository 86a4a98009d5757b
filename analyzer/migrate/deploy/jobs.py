"""Builds of different tables side by side, each on a connection of its own."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.deployment import Deploy, unless_dropped
from analyzer.migrate.deploy.session import call, settings, unhurried
from analyzer.migrate.deploy.target import Target
from analyzer.migrate.deploy.watch import another_connection

#: Where a context keeps what a `with op.side_by_side():` collects.
_COLLECTED = "twindex_side_by_side"

Build = Callable[[Deploy, Target], None]


def collected(context: MigrationContext, target: Target) -> bool:
    """Put a build off to the end of the block it stands in; False outside of one."""
    found = context.opts.get(_COLLECTED)
    if found is not None:
        found.append(target)
    return found is not None


@contextlib.contextmanager
def collecting(context: MigrationContext) -> Generator[list[Target]]:
    """Collect the builds of a block, in order."""
    targets: list[Target] = []
    context.opts[_COLLECTED] = targets
    try:
        yield targets
    finally:
        del context.opts[_COLLECTED]


def by_table(targets: Sequence[Target]) -> tuple[tuple[Target, ...], ...]:
    """Group builds that have to wait for each other: those of one table, in order."""
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        groups.setdefault((target.schema, target.table), []).append(target)
    return tuple(tuple(group) for group in groups.values())


def run(deploy: Deploy, groups: Sequence[tuple[Target, ...]], build: Build) -> None:
    """Build groups side by side; when one fails, the others are finished first, and its failure is raised.

    An interrupt cancels all of them.
    """
    pids: set[int] = set()
    threads = min(deploy.options.jobs, len(groups))
    with ThreadPoolExecutor(threads, thread_name_prefix="twindex build") as pool:
        futures = [pool.submit(_group, deploy, group, build, pids) for group in groups]
        try:
            wait(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for pid in tuple(pids):
                call(deploy.connection, "cancel_backend", pid=pid)
            raise
    for future in futures:
        future.result()


def _group(deploy: Deploy, group: Sequence[Target], build: Build, pids: set[int]) -> None:
    with another_connection(deploy.connection.engine) as connection:
        _as_role(deploy.connection, connection)
        pid = int(call(connection, "read_pid")["pid"])
        pids.add(pid)
        own = replace(deploy, connection=connection, pid=pid)
        for target in group:
            with unless_dropped(connection, target), settings(connection, unhurried(target.session())):
                build(own, target)
        pids.discard(pid)


def _as_role(source: Connection, connection: Connection) -> None:
    """Take over what env.py may have set for the session: the role that is to own the index, and the search path."""
    for name in ("role", "search_path"):
        value = call(source, "read_setting", name=name)["value"]
        call(connection, "write_setting", name=name, value=value)
