"""Write an Alembic revision from the specs: their steps and nothing else."""

import configparser
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic.config import Config, MessagingOptions
from alembic.operations import MigrateOperation
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, format_as_comma

from analyzer import stdout
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.errors import InputError
from analyzer.migrate.deploy.session import LOG
from analyzer.migrate.hazards import HazardCode, refuse_hazards
from analyzer.migrate.message import docstring, refuse_code
from analyzer.migrate.operations import (
    IMPORT,
    OPERATIONS,
    ObjectOperation,
    TableOperations,
    beside_each_other,
    render_operation,
)
from analyzer.migrate.plan.across_schemas import general_names, merged
from analyzer.migrate.plan.environment import Environment
from analyzer.migrate.plan.read_environment import alembic_config
from analyzer.migrate.plan.revision_ids import following
from analyzer.migrate.plan.statistics_steps import plan_statistics
from analyzer.migrate.plan.steps import Action, Step, plan_analyze, plan_index
from analyzer.objects.definition import Definition, kind_of
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.declared_twice import declared_twice
from analyzer.specs.diff import Canonical, Change, changes
from analyzer.specs.existing import Existing, existing_objects
from analyzer.specs.fields import Rows
from analyzer.specs.file import SpecSet
from analyzer.sql import ident

#: pg_get_indexdef or pg_get_statisticsobjdef of a definition.
Deparse = Callable[[Definition], str]

_NO_PATTERNS: Mapping[QualifiedName, Schemas] = {}
#: What Alembic tells a template besides.
_FACTS: dict[str, Any] = {
    "down_revision": None,
    "create_date": "",
    "comma": format_as_comma,
    "branch_labels": None,
    "depends_on": None,
}


def revise(
    snapshot: Snapshot,
    specs: SpecSet,
    config: Path | Config,
    *,
    message: str,
    environment: Environment | None = None,
    canonical: Canonical,
    deparse: Deparse | None = None,
    refused: Collection[HazardCode] = (),
) -> Path | None:
    """Write the revision that makes the captured database agree with the specs; None when it does already.

    `environment` are the rules of the project's env.py; `canonical` gives a definition as a server understands it,
    `deparse` as it prints one.
    Raises HazardError when a step has a hazard that is refused.
    """
    rules = environment or Environment()
    if rules.unknown is not None and specs.managed:
        LOG.warning("what no spec names is left alone, for %s", rules.unknown)
    found = planned(
        rules, specs, existing_objects(snapshot), canonical, Catalog(snapshot).indexed_rows,
        own_tablespace=snapshot.server.own_tablespace,
    )  # fmt: skip
    partitioned = frozenset((r.schema_name, r.name) for r in snapshot.relations if r.kind == "p")
    if not found:
        return None
    return write_revision(
        config, message, found, deparse=deparse, partitioned=partitioned, patterns=specs.patterns, refused=refused
    )


def planned(
    environment: Environment,
    specs: SpecSet,
    existing: Sequence[Existing],
    canonical: Canonical,
    rows: Rows,
    *,
    own_tablespace: str,
) -> tuple[Change, ...]:
    """List the changes that specs ask for, as far as the rules of the project allow.

    Raises InputError for what a model declares as well, and as `changes` does.
    """
    seen, hidden = environment.seen(specs)
    for tables in general_names((each.full_table for each in hidden), specs.patterns):
        LOG.warning("the specs of %s are left out, for env.py leaves out the table", tables)
    for spec, problem in declared_twice(environment.models, environment.constraints, seen, canonical, rows):
        raise InputError(f"{spec.where}: {problem}")
    return changes(
        seen, environment.unowned(existing, seen), canonical, rows, environment.drops, own_tablespace=own_tablespace
    )


@stdout.diverted()  # the project's revisions are loaded, and its hooks run on the new one
def write_revision(
    config: Path | Config,
    message: str,
    found: Sequence[Change],
    *,
    deparse: Deparse | None = None,
    partitioned: Collection[tuple[str, str]] = (),
    patterns: Mapping[QualifiedName, Schemas] = _NO_PATTERNS,
    refused: Collection[HazardCode] = (),
) -> Path:
    """Write one revision on top of the project's head, by the project's own template, and return its path.

    `deparse` gives what a server prints of a definition; `partitioned` tables are (schema, name); `patterns` gives the
    schemas that a pattern declares a table in.
    Raises InputError when Alembic cannot write it: no configuration, several heads, no script location;
    HazardError, before anything is written.
    """
    operations = operations_of(found, deparse=deparse, partitioned=partitioned, patterns=patterns, refused=refused)
    try:
        directory = ScriptDirectory.from_config(_alembic_config(config))
        directory.messaging_opts = MessagingOptions(quiet=True)
        identifier, written = _next_id(directory), docstring(message)
        body: dict[str, Any] = {
            "imports": IMPORT,
            "upgrades": _body(operations),
            "downgrades": _body([operation.reverse() for operation in reversed(operations)]),
        }
        refuse_code(Path(directory.dir) / "script.py.mako", written, _FACTS | body | {"up_revision": identifier})
        script = directory.generate_revision(identifier, written, **body)
    except (CommandError, configparser.Error) as error:
        raise InputError(f"Alembic cannot write a revision: {error}") from error
    if script is None:
        raise InputError("Alembic wrote a revision that it cannot read back; check script.py.mako")
    for earlier, name in _written_before(directory, script, operations):
        LOG.warning(
            "revision %s builds %s too; if it is not applied to this database yet, delete the new revision and run "
            "alembic upgrade head",
            earlier, name,
        )  # fmt: skip
    return Path(script.path)


def _written_before(
    directory: ScriptDirectory, written: Script, operations: Sequence[MigrateOperation]
) -> Iterator[tuple[str, str]]:
    """Find the last revision before the one written that builds the same, and the name of what it builds."""
    remaining = {
        _begun(render_operation(each)): each.name
        for each in operations
        if isinstance(each, ObjectOperation) and each.verb.startswith(("build_", "create_"))
    }
    for script in directory.walk_revisions():
        if script.revision != written.revision and remaining:
            text = _packed(Path(script.path).read_text(encoding="utf-8", errors="replace"))
            for found in [begun for begun in remaining if begun in text]:
                yield script.revision, remaining.pop(found)


def _begun(operation: str) -> str:
    """Return a call of an operation up to the schema: what it is called on and not how."""
    return _packed(operation).partition(",sql=")[0]


def _packed(code: str) -> str:
    return "".join(code.split())


def operations_of(
    found: Sequence[Change],
    *,
    deparse: Deparse | None,
    partitioned: Collection[tuple[str, str]] = (),
    patterns: Mapping[QualifiedName, Schemas] = _NO_PATTERNS,
    refused: Collection[HazardCode] = (),
) -> tuple[MigrateOperation, ...]:
    """Return the operations that make the changes: those of indexes, then those of statistics, then ANALYZE by table.

    ANALYZE fills what is new in each direction: extended statistics, and the statistics of indexes on expressions.
    Raises HazardError when a step has a hazard that is refused.
    """
    ordered = _ordered(found)
    planned = [
        _index_step(change, change.definition, deparse, partitioned)
        for change in ordered
        if isinstance(change.definition, IndexDef)
    ]
    planned += [
        plan_statistics(change, change.definition, deparse)
        for change in ordered
        if isinstance(change.definition, StatisticsDef)
    ]
    steps = merged(planned, patterns)
    forward = _analyses((step, step.forward) for step in steps)
    back = _analyses((step, step.reverse) for step in steps)
    actions = [*((step, step.forward) for step in steps), *((each, each.forward) for each in forward)]
    refuse_hazards(((_described(step, action), action.hazards) for step, action in actions), refused)
    first = [TableOperations((), [operation(step) for step in back])] if back else []
    last = [TableOperations([operation(step) for step in forward], ())] if forward else []
    return (*first, *map(operation, steps), *last)


def _analyses(actions: Iterable[tuple[Step, Action]]) -> tuple[Step, ...]:
    """Plan the ANALYZE of each table that an action of one direction leaves statistics to be filled of."""
    tables = {(step.schemas, step.schema, step.table): step for step, action in actions if action.needs_analyze}
    planned = ((step, plan_analyze(step.schema, step.table)) for step in tables.values())
    return tuple(replace(step, forward=each, reverse=each) for step, each in planned)


def _described(step: Step, action: Action) -> str:
    where = f" in each schema of {step.schemas}" if step.schemas is not None else ""
    return f"{action.verb} {ident(step.schema, action.name)} on {ident(step.schema, step.table)}{where}"


def _index_step(
    change: Change, index: IndexDef, deparse: Deparse | None, partitioned: Collection[tuple[str, str]]
) -> Step:
    builds = change.kind in {"create", "replace"}
    if index.full_table in partitioned and change.kind not in {"rename", "alter"} and _of_constraint(change):
        where = change.spec.where if change.spec is not None else index.qualified_name
        raise InputError(
            f"{where}: {index.qualified_table} is partitioned, and "
            "PostgreSQL adds no constraint to it by an index; write unique: true, which enforces the same"
        )
    # A twin has none of the tablespaces, and pg_get_indexdef does not print them.
    definition = deparse(replace(index, tablespace=None)) if deparse is not None and builds else None
    return plan_index(change, index, definition=definition, partitioned=index.full_table in partitioned)


def _of_constraint(change: Change) -> bool:
    before = change.current.unique_constraint if isinstance(change.current, Index) else None
    return change.timing is not None or before is not None


def _ordered(found: Sequence[Change]) -> tuple[Change, ...]:
    """Put builds before drops, for what takes over should be there first; but a name has to be free to be taken."""

    def name(change: Change) -> tuple[str, str, str]:
        return kind_of(change.definition), change.definition.schema, change.definition.name

    wanted = {name(change) for change in found if change.kind != "drop"}

    def place(change: Change) -> int:
        if change.kind == "drop":
            return 0 if name(change) in wanted else 4
        # Creations follow each other, so that they can be built side by side.
        return {"rename": 1, "alter": 1, "create": 2}.get(change.kind, 3)

    return tuple(sorted(found, key=place))


def _alembic_config(config: Path | Config) -> Config:
    return config if isinstance(config, Config) else alembic_config(config)


def _next_id(directory: ScriptDirectory) -> str:
    heads = directory.get_heads()
    taken = {script.revision for script in directory.walk_revisions()}
    return following(heads[0] if len(heads) == 1 else None, taken)


def _body(operations: Sequence[MigrateOperation]) -> str:
    """Join operations to the body of a function, its first line not indented, as script.py.mako wants it."""
    text = "\n".join(render_operation(operation) for operation in beside_each_other(operations))
    return text.replace("\n", "\n    ")


def operation(step: Step) -> ObjectOperation:
    """Return a step as the operation of a revision, which knows what undoes it."""
    return _operation(step, step.forward, _operation(step, step.reverse))


def _operation(step: Step, action: Action, reverse: ObjectOperation | None = None) -> ObjectOperation:
    return OPERATIONS[action.verb](
        action.name,
        step.table,
        schema=step.schema if step.schemas is None else None,
        schemas=() if step.schemas is None else step.schemas.patterns,
        except_schemas=() if step.schemas is None else step.schemas.exceptions,
        sql=action.sql,
        new_name=action.new_name,
        definition=action.definition,
        attributes=action.attributes,
        constraint=action.constraint,
        lock_timeout=_duration(action.lock_timeout_ms),
        settings=dict(action.settings),
        keep_old=action.keep_old,
        hazards=tuple(str(hazard) for hazard in action.hazards),
        reverse_op=reverse,
    )


def _duration(milliseconds: int) -> str:
    """Write a timeout as PostgreSQL prints it."""
    for unit, size in (("min", 60_000), ("s", 1_000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
