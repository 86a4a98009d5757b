"""Turn the change of a statistics object into a step; ANALYZE of its table follows once all are made.

All of them are short: CREATE STATISTICS reads no row, and ANALYZE fills what it made. Other columns or kinds are a drop
and a creation, in one transaction.
"""

from collections.abc import Callable, Iterator

from analyzer.migrate.hazards import Hazard, HazardCode
from analyzer.migrate.plan.steps import SHORT_LOCK_TIMEOUT_MS, Action, Step
from analyzer.objects.statistics import StatisticsDef
from analyzer.specs.diff import Change
from analyzer.specs.existing import ExistingStatistics
from analyzer.sql import render_text

_CREATE_HAZARDS = (
    Hazard(HazardCode.LOCK, "SHARE UPDATE EXCLUSIVE on the table for a moment; blocks no reads or writes"),
)
_DROP_HAZARDS = (
    *_CREATE_HAZARDS,
    Hazard(HazardCode.STATISTICS_DROPPED, "estimates that used them change, and plans with them"),
)


def plan_statistics(
    change: Change, wanted: StatisticsDef, deparse: Callable[[StatisticsDef], str] | None = None
) -> Step:
    """Plan the change of a statistics object; `deparse` gives pg_get_statisticsobjdef of a definition."""
    current = change.current
    if not isinstance(current, ExistingStatistics):
        return _step(wanted, _create(wanted, deparse and deparse(wanted)), _drop(wanted))
    before = current.definition
    match change.kind:
        case "drop":
            return _step(before, _drop(before), _create(before, current.ddl))
        case "rename":
            return _step(wanted, _rename(before, wanted), _rename(wanted, before))
        case "alter":
            return _step(wanted, _alter(before, wanted), _alter(wanted, before))
        case _:
            forward = _create(wanted, deparse and deparse(wanted), replaces=True)
            return _step(wanted, forward, _create(before, current.ddl, replaces=True))


def _step(definition: StatisticsDef, forward: Action, reverse: Action) -> Step:
    return Step(schema=definition.schema, table=definition.table, forward=forward, reverse=reverse)


def _create(wanted: StatisticsDef, printed: str | None, *, replaces: bool = False) -> Action:
    return Action(
        verb="replace_statistics" if replaces else "create_statistics",
        name=wanted.name,
        sql=wanted.ddl(),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_DROP_HAZARDS if replaces else _CREATE_HAZARDS,
        definition=printed,
        attributes=tuple(_attributes(wanted, None)),
        needs_analyze=True,
    )


def _drop(definition: StatisticsDef) -> Action:
    return Action(
        verb="drop_statistics",
        name=definition.name,
        sql=render_text("statistics/drop_statistics", schema=definition.schema, name=definition.name),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_DROP_HAZARDS,
    )


def _rename(before: StatisticsDef, after: StatisticsDef) -> Action:
    names = {"schema": before.schema, "name": before.name, "new_name": after.name}
    return Action(
        verb="rename_statistics",
        name=before.name,
        new_name=after.name,
        sql=render_text("statistics/rename_statistics", **names),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=(),
        attributes=tuple(_attributes(after, before)),
        needs_analyze=after.target != before.target,
    )


def _alter(before: StatisticsDef, after: StatisticsDef) -> Action:
    return Action(
        verb="alter_statistics",
        name=after.name,
        sql="",
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=(),
        attributes=tuple(_attributes(after, before)),
        needs_analyze=after.target != before.target,
    )


def _attributes(after: StatisticsDef, before: StatisticsDef | None) -> Iterator[str]:
    """Write what gives an object its target, or takes away the one it had."""
    if after.target != (before.target if before else None):
        target = -1 if after.target is None else after.target
        yield render_text("statistics/set_target", schema=after.schema, name=after.name, target=target)
