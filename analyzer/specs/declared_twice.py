"""Find the indexes that a model and a spec both declare: each of the two would undo what the other asks for."""

from collections.abc import Iterator, Sequence

from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.specs.diff import Canonical
from analyzer.specs.fields import Rows
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.index import IndexSpec


def declared_twice(
    models: Sequence[IndexDef], constraints: Sequence[IndexDef], specs: SpecSet, canonical: Canonical, rows: Rows
) -> Iterator[tuple[DeclaredSpec[IndexSpec], str]]:
    """Yield the specs that have the name or the definition of a model's index or unique constraint, and say so.

    A unique index beside a constraint of the same columns is no contradiction.
    """
    names = {index.full_name: index for index in (*models, *constraints)}
    for spec in specs.indexes:
        if spec.spec.state not in {"approved", "retired"}:
            continue
        named = names.get(spec.full_name)
        if named is not None:
            yield spec, f"{named.name} is declared by the model of {named.qualified_table} as well; keep one of both"
            continue
        known = models if spec.spec.timing is None else constraints
        others = [index for index in known if index.full_table == spec.full_table and index.keys]
        if spec.spec.state != "approved" or not others:
            continue
        declared = spec.spec.definition(*spec.full_table, rows(*spec.full_table))
        others = [index for index in others if _shape(index) == _shape(declared)]
        wanted = _printed(canonical, declared) if others else None
        for index in others if wanted is not None else ():
            if _printed(canonical, index) == wanted:
                there = f"the model of {index.qualified_table} as well, there as {index.name}"
                yield spec, f"{spec.spec.name} is declared by {there}; keep one of both"


def _shape(index: IndexDef) -> tuple[object, ...]:
    """Return what no way of writing a definition changes, so that a server is asked only where it can matter."""
    return index.method, index.unique, len(index.keys), len(index.include), index.where is None


def _printed(canonical: Canonical, index: IndexDef) -> IndexDef | None:
    try:
        return canonical(index)
    except InputError:  # said where the specs are compared, or not ours to say
        return None
