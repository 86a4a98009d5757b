"""Write the steps that are alike in each schema of a pattern as one, which the deploy takes in each schema it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analyzer.migrate.plan.steps import Action, Step
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import OWN, Schemas, generalized

#: Steps of one table that belong together.
Unit = tuple[Step, ...]


def merged(units: Sequence[Unit], patterns: Mapping[QualifiedName, Schemas]) -> tuple[Unit, ...]:
    """Merge units of tables that one pattern declares; `patterns` gives each such table's.

    What is alike in every schema of the pattern is for whichever schemas the deploy finds. What is not is for those
    schemas by name, so that its downgrade touches no other.
    """
    alike: dict[tuple[Schemas | None, Unit], list[Unit]] = {}
    for unit in units:
        schemas = patterns.get(_table(unit))
        alike.setdefault((schemas, unit if schemas is None else _generalized(unit)), []).append(unit)
    return tuple(_merged(schemas, unit, found, patterns) for (schemas, unit), found in alike.items())


def _merged(
    schemas: Schemas | None, unit: Unit, found: Sequence[Unit], patterns: Mapping[QualifiedName, Schemas]
) -> Unit:
    tables = {_table(each) for each in found}
    if schemas is None:
        return found[0]
    name = unit[0].table
    if any(known == schemas and table.name == name and table not in tables for table, known in patterns.items()):
        if len(found) == 1:
            return found[0]
        schemas = Schemas.named(table.schema for table in tables)
    return tuple(replace(step, schemas=schemas) for step in unit)


def _table(unit: Unit) -> QualifiedName:
    return QualifiedName(unit[0].schema, unit[0].table)


def _generalized(unit: Unit) -> Unit:
    return tuple(
        replace(
            step,
            schema=OWN,
            forward=_general_action(step.forward, step.schema),
            reverse=_general_action(step.reverse, step.schema),
        )
        for step in unit
    )


def _general_action(action: Action, schema: str) -> Action:
    return replace(
        action,
        sql=generalized(action.sql, schema),
        definition=None if action.definition is None else generalized(action.definition, schema),
        attributes=tuple(generalized(statement, schema) for statement in action.attributes),
        constraint=None if action.constraint is None else generalized(action.constraint, schema),
    )
