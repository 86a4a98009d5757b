"""Write an Alembic revision from the specs: the index steps and nothing else."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from alembic.config import Config, MessagingOptions
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from analyzer.capture.snapshot import Snapshot
from analyzer.errors import ConflictError, InputError
from analyzer.index import IndexDef
from analyzer.migrate.alembic_plugin import (
    IMPORT,
    BuildIndexOp,
    DropIndexOnlineOp,
    IndexOperation,
    ReplaceIndexOp,
    render_operation,
)
from analyzer.migrate.steps import BUILD_LOCK_TIMEOUT_MS, DROP_LOCK_TIMEOUT_MS, Step, plan
from analyzer.specs.diff import Canonical, Change, changes
from analyzer.specs.files import load_specs

#: pg_get_indexdef of a definition.
Deparse = Callable[[IndexDef], str]

#: What does a step, and what undoes it.
_OPERATIONS: dict[str, tuple[type[IndexOperation], type[IndexOperation]]] = {
    "build": (BuildIndexOp, DropIndexOnlineOp),
    "replace": (ReplaceIndexOp, ReplaceIndexOp),
    "drop": (DropIndexOnlineOp, BuildIndexOp),
}
_SEQUENTIAL = re.compile(r"\d{2,8}")


def revise(
    snapshot: Snapshot,
    specs_dir: Path,
    config: Path | Config,
    *,
    message: str,
    canonical: Canonical,
    deparse: Deparse | None = None,
) -> Path | None:
    """Write the revision that makes the captured database agree with the specs; None when it does already.

    `canonical` gives a definition as a server understands it, `deparse` as pg_get_indexdef prints it.
    """
    specs = load_specs(specs_dir)
    for spec in specs.specs:
        relation = snapshot.relation(spec.schema, spec.table)
        if relation is not None and relation.kind == "p" and spec.spec.state in {"approved", "retired"}:
            raise ConflictError(
                f"{spec.where}: {spec.schema}.{spec.table} is partitioned, and PostgreSQL builds no index on it "
                "concurrently; write that revision by hand"
            )

    def rows(schema: str, table: str) -> float | None:
        relation = snapshot.relation(schema, table)
        return None if relation is None or relation.tuples < 0 else relation.tuples

    found = changes(specs, snapshot.indexes, canonical, rows)
    return write_revision(config, message, found, deparse=deparse) if found else None


def write_revision(
    config: Path | Config, message: str, found: Sequence[Change], *, deparse: Deparse | None = None
) -> Path:
    """Write one revision on top of the project's head, by the project's own template, and return its path.

    `deparse` gives pg_get_indexdef of a definition. Raises InputError when Alembic cannot write it: no configuration,
    several heads, no script location.
    """
    printed = {c.index.qualified_name: deparse(c.index) for c in found if deparse is not None and c.kind != "drop"}
    steps = tuple(
        step for change in found for step in plan(change, definition=printed.get(change.index.qualified_name))
    )
    operations = tuple(_operation(step) for step in steps)
    try:
        directory = ScriptDirectory.from_config(_alembic_config(config))
        directory.messaging_opts = MessagingOptions(quiet=True)
        script = directory.generate_revision(
            _next_id(directory),
            message,
            imports=IMPORT,
            upgrades=_body(operations),
            downgrades=_body([operation.reverse() for operation in reversed(operations)]),
        )
    except CommandError as error:
        raise InputError(f"Alembic cannot write a revision: {' '.join(str(error).split())}") from error
    if script is None:
        raise InputError("Alembic wrote a revision that it cannot read back; check script.py.mako")
    return Path(script.path)


def _alembic_config(config: Path | Config) -> Config:
    if isinstance(config, Config):
        return config
    if not config.is_file():
        raise InputError(f"{config} is not there; run in the project's directory or give --config FILE")
    return Config(config, cmd_opts=argparse.Namespace(quiet=True))


def _next_id(directory: ScriptDirectory) -> str:
    """Continue a project's 0001, 0002, …; otherwise let Alembic choose."""
    heads = directory.get_heads()
    if len(heads) != 1 or not _SEQUENTIAL.fullmatch(heads[0]):
        return rev_id()
    taken = {script.revision for script in directory.walk_revisions()}
    return next(number for number in _following(heads[0]) if number not in taken)


def _following(number: str) -> Iterator[str]:
    current = int(number)
    while True:
        current += 1
        yield str(current).zfill(len(number))


def _body(operations: Sequence[IndexOperation]) -> str:
    """Join operations to the body of a function, its first line not indented, as script.py.mako wants it."""
    return "\n".join(render_operation(operation) for operation in operations).replace("\n", "\n    ")


def _operation(step: Step) -> IndexOperation:
    index = step.index
    forward, back = _OPERATIONS[step.kind]
    builds_back = back is not DropIndexOnlineOp
    return forward(
        index.name,
        index.table,
        schema=index.schema,
        sql=step.sql,
        definition=step.definition,
        lock_timeout=_duration(step.lock_timeout_ms),
        settings=dict(step.settings),
        hazards=step.hazards,
        reverse_op=back(
            index.name,
            index.table,
            schema=index.schema,
            sql=step.reverse_sql,
            definition=step.reverse_definition,
            lock_timeout=_duration(BUILD_LOCK_TIMEOUT_MS if builds_back else DROP_LOCK_TIMEOUT_MS),
            settings=dict(step.settings) if builds_back else None,
            hazards=step.reverse_hazards,
        ),
    )


def _duration(milliseconds: int) -> str:
    """Write a timeout as PostgreSQL prints it."""
    for unit, size in (("min", 60_000), ("s", 1_000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
