"""Extend an index that exists instead of adding one beside it: one index that does what the two do together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from analyzer.advise.candidates import Candidate, name_of
from analyzer.advise.cost import CostModel
from analyzer.advise.declared import Declared
from analyzer.advise.draft_variants import includable
from analyzer.advise.kept_indexes import purpose
from analyzer.advise.retirement import LEAST_DEARER, MOST_DEARER, MOST_LOST, Retiring
from analyzer.advise.stand_in import as_printed, stands_in
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import MOST_BYTES
from analyzer.twin.twin import TwinIndex

#: Pairs of a chosen index and one that exists for which that is tried.
_MOST_TRIED = 20
#: Leaves room for a number; generated names are ASCII.
_NAME_LENGTH = MOST_BYTES - 5


def extend_existing(
    model: CostModel,
    chosen: Sequence[TwinIndex],
    built: Mapping[TwinIndex, Candidate],
    retiring: Retiring,
    *,
    declared: Sequence[Declared],
    budget_bytes: int | None,
) -> tuple[tuple[TwinIndex, ...], dict[TwinIndex, Candidate]]:
    """Put what extends an existing index in the place of a chosen one, where both take more room and cost as much.

    Returns the choice, and the candidates with what was added.
    """
    found, known = list(chosen), dict(built)
    for place, new, old, merged in _pairs(model, chosen)[:_MOST_TRIED]:
        if found[place] is not new:
            continue
        added, _ = model.twin.try_add([merged.renamed(_free_name(merged, model, declared))])
        if not added:
            continue
        (index,) = added
        others = [each for number, each in enumerate(found) if number != place]
        larger = sum(each.size_bytes for each in others) + index.size_bytes
        if index.size_bytes > new.size_bytes + (old.size_bytes or 0) or larger > (budget_bytes or larger):
            continue
        tried = [*found[:place], index, *found[place + 1 :]]
        if _is_dearer(model, found, tried) or not retiring(tried).lets_go(old.definition.full_name):
            continue
        reason = f"{known[new].reason}; extends {old.definition.name}"
        known[index] = replace(known[new], index=index.index, reason=reason)
        found = tried
    return tuple(found), known


def _pairs(model: CostModel, chosen: Sequence[TwinIndex]) -> list[tuple[int, TwinIndex, Index, IndexDef]]:
    """List what can be merged: the largest existing index first."""
    catalog = model.twin.catalog
    found: list[tuple[int, TwinIndex, Index, IndexDef]] = []
    for place, new in enumerate(chosen):
        definition = as_printed(new.index, model.twin)
        for old in catalog.indexes_of(definition.full_table):
            if purpose(old) is None and not stands_in(definition, old.definition):
                found += [(place, new, old, merged) for merged in _merged(definition, old.definition, model)]
    return sorted(found, key=lambda each: (-(each[2].size_bytes or 0), each[0], each[2].definition.name))


def _merged(new: IndexDef, old: IndexDef, model: CostModel) -> Iterator[IndexDef]:
    """Yield the index whose keys begin with those of both, with the columns of both."""
    relation = model.twin.snapshot.relation(*new.full_table)
    longer = max(new.keys, old.keys, key=len)
    alike = (new.method, new.where, new.unique) == ("btree", old.where, False) and old.method == "btree"
    if relation is None or not alike or longer[: len(new.keys)] != new.keys or longer[: len(old.keys)] != old.keys:
        return
    keys = {key.column for key in longer}
    wanted = {*new.include, *old.include} - keys
    include = tuple(column.name for column in relation.columns if column.name in wanted)
    merged = replace(new, keys=longer, include=include, parameters=old.parameters, tablespace=old.tablespace)
    if stands_in(merged, new) and includable(relation, include, merged.columns, model.twin.catalog):
        yield merged


def _is_dearer(model: CostModel, before: Sequence[TwinIndex], after: Sequence[TwinIndex]) -> bool:
    """Say whether the workload, or a statement of it, costs notably more with another choice."""
    with_, without = frozenset(after), frozenset(before)
    tables = {each.index.full_table for each in with_ ^ without}
    for item in {each.statement: each for table in tables for each in model.affected(table)}.values():
        now, then = model.cost(item, without), model.cost(item, with_)
        if then - now > max(LEAST_DEARER, MOST_DEARER * now):
            return True
    return model.total(with_) - model.total(without) > MOST_LOST * model.total(frozenset())


def _free_name(index: IndexDef, model: CostModel, declared: Sequence[Declared]) -> str:
    snapshot, schema = model.twin.snapshot, index.schema
    taken = {each.name for each in snapshot.relations if each.schema_name == schema}
    taken |= {each.definition.name for each in snapshot.indexes if each.definition.schema == schema}
    taken |= {each.index.name for each in model.twin.added if each.index.schema == schema}
    taken |= {each.index.name for each in declared if each.index.schema == schema}
    name, number = name_of(index), 1
    while name in taken:
        number += 1
        name = f"{name_of(index)[:_NAME_LENGTH]}_{number}"
    return name
