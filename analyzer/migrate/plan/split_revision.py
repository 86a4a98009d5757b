"""Write our steps into a revision of their own, after the one with whatever else autogenerate found.

They run outside a transaction and may be repeated; other operations may not. So the two never share a revision.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DowngradeOps, MigrateOperation, MigrationScript, OpContainer, UpgradeOps
from alembic.runtime.migration import MigrationContext

from analyzer.migrate.deploy.session import LOG
from analyzer.migrate.message import docstring
from analyzer.migrate.operations import beside_each_other, is_step
from analyzer.migrate.plan.revision_ids import following

_HOOK = "process_revision_directives"

Pairs = Sequence[tuple[UpgradeOps, DowngradeOps]]


def keep_apart(context: AutogenContext) -> None:
    """Have every revision that autogenerate makes split, after the project's own process_revision_directives."""
    options = context.migration_context.opts
    theirs = options.get(_HOOK)

    def split(migration_context: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
        if theirs is not None:
            theirs(migration_context, revision, directives)
        separate(directives, _existing(migration_context))
        for script in directives:
            script.message = docstring(script.message)
            for container in (*script.upgrade_ops_list, *script.downgrade_ops_list):
                container.ops[:] = beside_each_other(container.ops)

    options[_HOOK] = split


def separate(directives: list[MigrationScript], taken: frozenset[str] = frozenset()) -> None:
    """Split every script that holds index steps and other operations; `taken` are the revisions that exist."""
    if directives and isinstance(last := directives[-1], IndexScript):
        # Another database of the same run: what it needs was added to the script that is written last.
        directives.pop()
        last.rejoin()
    for position in reversed(range(len(directives))):
        script = directives[position]
        pairs = tuple(zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True))
        others, steps = _part(pairs, steps=False), _part(pairs, steps=True)
        if others and steps:
            _assign(script, others)
            directives.insert(position + 1, IndexScript(script, steps, taken))
            LOG.info("Index operations go into a revision of their own, which follows")


class IndexScript(MigrationScript):
    """The revision of the index steps that autogenerate found together with other changes."""

    def __init__(self, before: MigrationScript, pairs: Pairs, taken: frozenset[str]) -> None:
        """Follow the script that holds the other changes."""
        super().__init__(
            following(before.rev_id, taken),
            UpgradeOps(),
            DowngradeOps(),
            message=f"{before.message or 'changes'}, then indexes",
            imports=set(before.imports),
            head=before.rev_id,
            version_path=before.version_path,
        )
        self._before = before
        first, *rest = (up for up, _ in pairs)
        reported = _Reported(first.ops, first.upgrade_token, before=tuple(before.upgrade_ops_list))
        _assign(self, tuple(zip((reported, *rest), (down for _, down in pairs), strict=True)))

    def rejoin(self) -> None:
        """Give the operations back to the script they were taken from."""
        before = self._before
        before.upgrade_ops = [*before.upgrade_ops_list, *self.upgrade_ops_list]
        before.downgrade_ops = [*before.downgrade_ops_list, *self.downgrade_ops_list]


class _Reported(UpgradeOps):
    """Operations of the last script, which alone `alembic check` looks at, so it names those before as well."""

    def __init__(self, ops: Sequence[MigrateOperation], upgrade_token: str, *, before: Sequence[UpgradeOps]) -> None:
        super().__init__(ops, upgrade_token)
        self._before = before

    def as_diffs(self) -> Any:
        return [*itertools.chain.from_iterable(ops.as_diffs() for ops in self._before), *super().as_diffs()]


def _part(pairs: Pairs, *, steps: bool) -> Pairs:
    """Keep the index steps of each pair, or everything else; pairs that end up empty are left out."""
    parted = ((_kept(up, steps=steps), _kept(down, steps=steps), up, down) for up, down in pairs)
    return tuple(
        (UpgradeOps(forth, up.upgrade_token), DowngradeOps(back, down.downgrade_token))
        for forth, back, up, down in parted
        if forth or back
    )


def _kept(container: OpContainer, *, steps: bool) -> list[MigrateOperation]:
    return [op for op in container.ops if is_step(op) == steps]


def _assign(script: MigrationScript, pairs: Pairs) -> None:
    script.upgrade_ops = [up for up, _ in pairs]
    script.downgrade_ops = [down for _, down in pairs]


def _existing(context: MigrationContext) -> frozenset[str]:
    environment = context.environment_context
    if environment is None:
        return frozenset()
    return frozenset(script.revision for script in environment.script.walk_revisions())
