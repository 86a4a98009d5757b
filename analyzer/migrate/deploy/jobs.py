"""Builds of different tables side by side, each on a connection of its own."""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.deployment import Deploy, unless_dropped
from analyzer.migrate.deploy.driver import await_all, on_another_connection
from analyzer.migrate.deploy.session import call, settings, unhurried, write_settings
from analyzer.migrate.deploy.target import Target

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
    # What env.py may have set for the session: the role that is to own the index, and the search path.
    own = {name: call(deploy.connection, "read_setting", name=name)["value"] for name in ("role", "search_path")}
    pids: set[int] = set()
    threads = min(deploy.options.jobs, len(groups))
    with ThreadPoolExecutor(threads, thread_name_prefix="twindex build") as pool:
        futures = [pool.submit(_group, deploy, group, build, own, pids) for group in groups]
        try:
            await_all(deploy.connection, futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for pid in tuple(pids):
                call(deploy.connection, "cancel_backend", pid=pid)
            raise
    for future in futures:
        future.result()


def _group(deploy: Deploy, group: Sequence[Target], build: Build, own: Mapping[str, str], pids: set[int]) -> None:
    def work(connection: Connection) -> None:
        write_settings(connection, own)
        pid = int(call(connection, "read_pid")["pid"])
        pids.add(pid)
        deploy.limits.own.add(pid)
        job = replace(deploy, connection=connection, pid=pid)
        for target in group:
            with unless_dropped(connection, target), settings(connection, unhurried(target.session())):
                build(job, target)
        pids.discard(pid)

    on_another_connection(deploy.connection.engine, work)
