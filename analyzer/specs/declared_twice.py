"""Find the indexes that a model and a spec both declare: each of the two would undo what the other asks for."""

from collections.abc import Iterator, Sequence

from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.specs.diff import Canonical
from analyzer.specs.fields import Rows
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.index import IndexSpec


def declared_twice(
    models: Sequence[IndexDef], specs: SpecSet, canonical: Canonical, rows: Rows
) -> Iterator[tuple[DeclaredSpec[IndexSpec], str]]:
    """Yield the specs that have the name of a model's index, or the definition of one, and what is wrong with each."""
    names = {index.full_name: index for index in models}
    for spec in specs.indexes:
        if spec.spec.state not in {"approved", "retired"}:
            continue
        named = names.get(spec.full_name)
        if named is not None:
            yield spec, f"{named.name} is declared by the model of {named.qualified_table} as well; keep one of both"
            continue
        others = [index for index in models if index.full_table == spec.full_table and index.keys]
        if spec.spec.state != "approved" or not others:
            continue
        wanted = _printed(canonical, spec.spec.definition(*spec.full_table, rows(*spec.full_table)))
        for index in others if wanted is not None else ():
            if _printed(canonical, index) == wanted:
                there = f"the model of {index.qualified_table} as well, there as {index.name}"
                yield spec, f"{spec.spec.name} is declared by {there}; keep one of both"


def _printed(canonical: Canonical, index: IndexDef) -> IndexDef | None:
    try:
        return canonical(index)
    except InputError:  # said where the specs are compared, or not ours to say
        return None
