"""Turn the changes of a table's statistics objects into steps, and ANALYZE the table once they are made.

All of them are short: CREATE STATISTICS reads no row, and ANALYZE fills what it made. Other columns or kinds are a drop
and a creation, in one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
_ANALYZE_HAZARDS = (
    Hazard(HazardCode.LOCK, "SHARE UPDATE EXCLUSIVE on the table; blocks no reads or writes"),
    Hazard(
        HazardCode.ANALYZE, "reads a sample of 300 rows times the largest statistics target; of every partition too"
    ),
)
#: After these a table is to be analyzed.
_TO_ANALYZE = frozenset({"create_statistics", "replace_statistics", "alter_statistics"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsSteps:
    """The steps of one table, and the ANALYZE that ends them in each direction."""

    steps: tuple[Step, ...]
    #: None when nothing was made that it would fill.
    analyze: Action | None
    analyze_reversed: Action | None


def plan_statistics(
    changes: Sequence[Change], deparse: Callable[[StatisticsDef], str] | None = None
) -> tuple[Step, ...]:
    """Plan the changes of one table; `deparse` gives pg_get_statisticsobjdef of a definition."""
    return tuple(step for change in changes for step in _steps(change, deparse))


def then_analyze(steps: tuple[Step, ...]) -> StatisticsSteps:
    """End the steps of one table with its ANALYZE."""
    schema, table = steps[0].schema, steps[0].table
    return StatisticsSteps(
        steps=steps,
        analyze=_analyze(schema, table, [step.forward for step in steps]),
        analyze_reversed=_analyze(schema, table, [step.reverse for step in steps]),
    )


def _steps(change: Change, deparse: Callable[[StatisticsDef], str] | None) -> Iterator[Step]:
    wanted, current = change.definition, change.current
    if not isinstance(wanted, StatisticsDef):
        return
    if not isinstance(current, ExistingStatistics):
        yield _step(wanted, _create(wanted, deparse and deparse(wanted)), _drop(wanted))
        return
    before = current.definition
    match change.kind:
        case "drop":
            yield _step(before, _drop(before), _create(before, current.ddl))
        case "rename":
            yield _step(wanted, _rename(before, wanted), _rename(wanted, before))
        case "alter":
            yield _step(wanted, _alter(before, wanted), _alter(wanted, before))
        case _:
            forward = _create(wanted, deparse and deparse(wanted), replaces=True)
            yield _step(wanted, forward, _create(before, current.ddl, replaces=True))


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
    )


def _alter(before: StatisticsDef, after: StatisticsDef) -> Action:
    return Action(
        verb="alter_statistics",
        name=after.name,
        sql="",
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=(),
        attributes=tuple(_attributes(after, before)),
    )


def _attributes(after: StatisticsDef, before: StatisticsDef | None) -> Iterator[str]:
    """Write what gives an object its target, or takes away the one it had."""
    if after.target != (before.target if before else None):
        target = -1 if after.target is None else after.target
        yield render_text("statistics/set_target", schema=after.schema, name=after.name, target=target)


def _analyze(schema: str, table: str, actions: Sequence[Action]) -> Action | None:
    if not any(action.verb in _TO_ANALYZE or action.attributes for action in actions):
        return None
    return Action(
        verb="analyze_table",
        name=table,
        sql=render_text("statistics/analyze", schema=schema, table=table),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_ANALYZE_HAZARDS,
    )
