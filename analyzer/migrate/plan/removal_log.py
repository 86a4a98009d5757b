"""Hold back what Alembic logs of removed indexes until it is known which of them the specs keep."""

import logging
from collections.abc import Collection

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.util import PriorityDispatchResult

_LOGGER = logging.getLogger("alembic.autogenerate.compare.constraints")
_REMOVED = "Detected removed "


class _Removals(logging.Filter):
    """Keeps the records for later."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def filter(self, record: logging.LogRecord) -> bool:
        held = str(record.msg).startswith(_REMOVED)
        if held:
            self.records.append(record)
        return not held


def hold_removals(_context: AutogenContext, _upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Begin, before Alembic compares."""
    tell_removals(())
    _LOGGER.addFilter(_Removals())
    return PriorityDispatchResult.CONTINUE


def tell_removals(dropped: Collection[str]) -> None:
    """End, and log the removals of indexes and constraints with these names."""
    for held in tuple(_LOGGER.filters):
        if isinstance(held, _Removals):
            _LOGGER.removeFilter(held)
            for record in held.records:
                if isinstance(record.args, tuple) and record.args and str(record.args[0]) in dropped:
                    _LOGGER.handle(record)
