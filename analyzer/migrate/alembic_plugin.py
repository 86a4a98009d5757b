"""One import line in env.py: autogenerate sees the specs, and revisions may use `op.build_index` and its like.

    import analyzer.migrate.alembic_plugin  # noqa: F401

Every revision that twindex writes imports it as well. It registers under a name that Alembic's own default,
`autogenerate_plugins=["alembic.autogenerate.*"]`, takes in; `"~alembic.autogenerate.twindex"` there leaves it out.
"""

import sys

from alembic.autogenerate import comparators
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority

import analyzer.migrate.operations  # noqa: F401  # pyright: ignore[reportUnusedImport] - registers op.build_index
from analyzer.migrate.plan.autogenerate import compare_specs, refuse_drops
from analyzer.migrate.plan.removal_log import hold_removals

NAME = "alembic.autogenerate.twindex"


def setup(plugin: Plugin) -> None:
    """Register the comparison, after Alembic's own and apart from every other plugin's."""
    plugin.add_autogenerate_comparator(
        hold_removals, "autogenerate", "twindex log", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
    plugin.add_autogenerate_comparator(
        compare_specs, "autogenerate", "twindex", qualifier="postgresql", priority=DispatchPriority.LAST
    )


Plugin.setup_plugin_from_module(sys.modules[__name__], NAME)
# Outside of any plugin, and last of all, so that it looks also where the comparison was left out.
comparators.dispatch_for("autogenerate", subgroup="twindex guard", priority=DispatchPriority.LAST)(refuse_drops)
