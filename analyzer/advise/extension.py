"""Extend an index that exists instead of adding one beside it: one index that does what the two do together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from analyzer.advise.candidates import Candidate, name_of
from analyzer.advise.cost import CostModel
from analyzer.advise.declared import Declared
from analyzer.advise.draft_variants import includable
from analyzer.advise.kept_indexes import purpose
from analyzer.advise.limits import Limits
from analyzer.advise.retirement import LEAST_DEARER, MOST_DEARER, MOST_LOST, Retiring
from analyzer.advise.sameness import signature
from analyzer.advise.stand_in import as_printed, stands_in
from analyzer.advise.upkeep import held_columns
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import MOST_BYTES, QualifiedName
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
) -> tuple[tuple[TwinIndex, ...], dict[TwinIndex, Candidate]]:
    """Put what extends an existing index in the place of a chosen one, where both take more room and cost as much.

    What that is keeps to the limits, and no spec has it. Returns the choice, and the candidates with what was added.
    """
    found, known = list(chosen), dict(built)
    declared, limits = retiring.declared, retiring.limits
    taken, extended = {signature(each.index) for each in declared if each.holds(retiring.today)}, set[QualifiedName]()
    pairs = [each for each in _pairs(model, chosen) if signature(each[3]) not in taken]
    pairs = [each for each in pairs if limits.forbids(each[3], _held(each[3], model)) is None]
    for place, new, old, merged in pairs[:_MOST_TRIED]:
        if found[place] is not new or old.definition.full_name in extended:
            continue
        added, _ = model.twin.try_add([merged.renamed(_free_name(merged, model, declared))])
        if not added:
            continue
        (index,) = added
        tried = [*found[:place], index, *found[place + 1 :]]
        if index.size_bytes > new.size_bytes + (old.size_bytes or 0) or not _fit(tried, model, limits):
            continue
        if _is_dearer(model, found, tried) or not retiring(tried).lets_go(old.definition.full_name):
            continue
        reason = f"{known[new].reason}; extends {old.definition.name}"
        known[index] = replace(known[new], index=index.index, reason=reason)
        found = tried
        extended.add(old.definition.full_name)
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


def _held(index: IndexDef, model: CostModel) -> Collection[str]:
    relation = model.twin.snapshot.relation(*index.full_table)
    return held_columns(index, relation) if relation is not None else ()


def _fit(chosen: Sequence[TwinIndex], model: CostModel, limits: Limits) -> bool:
    upkeep = {each: model.upkeep(each, frozenset()) for each in chosen}
    total = model.total(frozenset())
    return limits.admit(upkeep, total, model.existing) and limits.admit_upkeep(
        model.upkeep_of(frozenset(chosen)), total
    )


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
