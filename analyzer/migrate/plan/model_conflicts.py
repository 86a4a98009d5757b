"""Refuse an index that a model and a spec both declare: each of the two would undo what the other asks for."""

from collections.abc import Iterator, Sequence

from analyzer.errors import InputError
from analyzer.migrate.deploy.online import DeployError
from analyzer.migrate.plan.alembic_catalog import Live
from analyzer.objects.index import IndexDef
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.index import IndexSpec


def refuse_declared_twice(
    models: Sequence[IndexDef], constraints: Sequence[IndexDef], specs: SpecSet, live: Live
) -> None:
    """Look for the names of the models' indexes and unique constraints among the specs, then for their definitions.

    A unique index beside a constraint of the same columns is no contradiction. Raises DeployError.
    """
    declared = {(s.schema, s.spec.name): s for s in specs.indexes if s.spec.state in {"approved", "retired"}}
    for index in (*models, *constraints):
        if (spec := declared.get((index.schema, index.name))) is not None:
            raise DeployError(
                f"{spec.where}: {index.name} is declared by the model of {index.qualified_table} as well; "
                "keep one of both"
            )
    for spec, index in _same(models, constraints, specs, live):
        raise DeployError(
            f"{spec.where}: {spec.spec.name} is declared by the model of {index.qualified_table} as well, there as "
            f"{index.name}; keep one of both"
        )


def _same(
    models: Sequence[IndexDef], constraints: Sequence[IndexDef], specs: SpecSet, live: Live
) -> Iterator[tuple[DeclaredSpec[IndexSpec], IndexDef]]:
    for spec in specs.indexes:
        table = (spec.schema, spec.table)
        known = models if spec.spec.timing is None else constraints
        others = [index for index in known if index.full_table == table and index.keys]
        if spec.spec.state != "approved" or not others:
            continue
        wanted = _printed(live, spec.spec.definition(*table, live.rows(*table)))
        yield from ((spec, index) for index in others if wanted is not None and _printed(live, index) == wanted)


def _printed(live: Live, index: IndexDef) -> IndexDef | None:
    try:
        return live.canonical(index)
    except InputError:  # said where the specs are compared, or not ours to say
        return None
