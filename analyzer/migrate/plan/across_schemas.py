"""Write the steps that are alike in each schema of a pattern as one, which the deploy takes in each schema it finds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from analyzer.migrate.plan.steps import Action, Step
from analyzer.postgres.identifiers import QualifiedName, quote
from analyzer.postgres.schema_patterns import OWN, Schemas, generalized
from analyzer.sql import ident


def merged(steps: Iterable[Step], patterns: Mapping[QualifiedName, Schemas]) -> tuple[Step, ...]:
    """Merge the steps of tables that one pattern declares; `patterns` gives each such table's.

    What is alike in every schema of the pattern is for whichever schemas the deploy finds. What is not is for those
    schemas by name, so that its downgrade touches no other.
    """
    alike: dict[tuple[Schemas | None, Step], list[Step]] = {}
    for step in steps:
        schemas = patterns.get(_table(step))
        alike.setdefault((schemas, step if schemas is None else _generalized(step)), []).append(step)
    return tuple(_merged(schemas, step, found, patterns) for (schemas, step), found in alike.items())


def general_names(tables: Iterable[QualifiedName], patterns: Mapping[QualifiedName, Schemas]) -> tuple[str, ...]:
    """Name tables, quoted and qualified, those of several schemas of one pattern once, with their number."""
    alike: dict[tuple[Schemas, str] | QualifiedName, list[QualifiedName]] = {}
    for table in sorted(set(tables)):
        schemas = patterns.get(table)
        alike.setdefault(table if schemas is None else (schemas, table.name), []).append(table)
    return tuple(
        ident(*found[0])
        if len(found) == 1
        else f"{','.join(patterns[found[0]].patterns)}.{quote(found[0].name)} in {len(found)} schemas"
        for found in alike.values()
    )


def _merged(
    schemas: Schemas | None, step: Step, found: Sequence[Step], patterns: Mapping[QualifiedName, Schemas]
) -> Step:
    tables = {_table(each) for each in found}
    if schemas is None:
        return found[0]
    if any(known == schemas and table.name == step.table and table not in tables for table, known in patterns.items()):
        schemas = Schemas.named(table.schema for table in tables)
    return replace(step, schemas=schemas)


def _table(step: Step) -> QualifiedName:
    return QualifiedName(step.schema, step.table)


def _generalized(step: Step) -> Step:
    return replace(
        step,
        schema=OWN,
        forward=_general_action(step.forward, step.schema),
        reverse=_general_action(step.reverse, step.schema),
    )


def _general_action(action: Action, schema: str) -> Action:
    return replace(
        action,
        sql=generalized(action.sql, schema),
        definition=None if action.definition is None else generalized(action.definition, schema),
        attributes=tuple(generalized(statement, schema) for statement in action.attributes),
        constraint=None if action.constraint is None else generalized(action.constraint, schema),
    )
