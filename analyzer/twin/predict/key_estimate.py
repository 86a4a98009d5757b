"""What is learnt of an added index beyond its table's statistics, from a sample of the rows or from its columns'."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyzer.documents.snapshot import Column, ColumnStatistics, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.twin.predict.index_size import IndexSize


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntKey:
    """The values of one key of an index."""

    #: Position from 1.
    number: int
    #: As format_type prints it.
    type: str
    #: Under the names of whatever it was learnt from.
    statistics: ColumnStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What is known of one index; empty where nothing is."""

    #: Share of the table's rows the index holds; None where nothing but the planner tells.
    selectivity: float | None = None
    size: IndexSize | None = None
    expressions: tuple[LearntKey, ...] = ()
    #: Whether rows of the table told it, and not the statistics of its columns.
    sampled: bool = False
    #: Whether nothing told what values some of its expressions have.
    guessed: bool = False


def with_learnt(index: IndexDef, snapshot: Snapshot, keys: Sequence[LearntKey]) -> tuple[IndexDef, Snapshot]:
    """Put columns of its table for these keys of an index, and their statistics into what is left of the snapshot."""
    relation = snapshot.relation(index.schema, index.table)
    if relation is None or not keys:
        return index, snapshot
    names = {key.number: f"twindex key {key.number}" for key in keys}
    last = max(column.number for column in relation.columns)
    columns = [Column(name=names[key.number], number=last + key.number, type=key.type) for key in keys]
    table = {"schema_name": index.schema, "relation": index.table}
    statistics = [key.statistics.model_copy(update=table | {"column": names[key.number]}) for key in keys]
    referenced = {(each.referenced_schema or "", each.referenced_table or "") for each in relation.constraints}
    others = (snapshot.relation(*name) for name in sorted(referenced - {index.full_table}))
    grown = relation.model_copy(update={"columns": (*relation.columns, *columns)})
    own = snapshot.statistics_by_relation.get(index.full_table, ())
    known = snapshot.model_copy(
        update={
            "relations": (grown, *(other for other in others if other is not None)),
            "statistics": (*own, *statistics),
        }
    )
    replaced = tuple(
        replace(key, column=names[number], expression=None) if number in names else key
        for number, key in enumerate(index.keys, 1)
    )
    return replace(index, keys=replaced), known
