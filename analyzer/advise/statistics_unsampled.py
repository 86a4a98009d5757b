"""Say where a sample is missing that could change plans."""

import itertools
import math
from collections.abc import Iterator, Sequence

import psycopg

from analyzer.advise.statistics_drafts import KINDS, StatisticsDraft
from analyzer.advise.statistics_known import is_known
from analyzer.advise.statistics_trial import ExhaustedError, Trial
from analyzer.amounts import plural
from analyzer.documents.measured import Dependency, DistinctCombinations, ExtendedData
from analyzer.documents.snapshot import NotExamined
from analyzer.objects.statistics import StatisticsDef
from analyzer.sql import ident
from analyzer.twin.statistics import as_extended
from analyzer.twin.twin import Twin
from analyzer.workload.parse import Statement

#: Plans that are compared, and objects that are named.
_MOST_QUESTIONS = 300
_MOST_NAMED = 5


def unsampled(trial: Trial, found: Sequence[StatisticsDraft]) -> Iterator[NotExamined]:
    """Say where a sample is missing: had the keys the closest dependence there is, plans would change."""
    names: list[str] = []
    statements: set[Statement] = set()
    trial.left = min(trial.left, _MOST_QUESTIONS)
    for draft in found:
        definition = StatisticsDef(
            schema=draft.table.schema, table=draft.table.name, name="twindex_dependent", kinds=KINDS[draft.purpose],
            columns=draft.columns, expressions=(),
        )  # fmt: skip
        if draft.expressions or is_known(trial.twin.snapshot, definition):
            continue
        data = _closest(trial.twin, draft)
        try:
            changed = trial.changed(draft.items, as_extended(definition).model_copy(update={"data": (data,)}))
        except psycopg.Error:  # a type that does not sort
            continue
        except ExhaustedError:
            break
        if changed:
            names.append(f"{ident(*draft.table)} ({', '.join(draft.columns)})")
            statements.update(each.item.statement for each in changed)
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        columns = ", ".join(names[:_MOST_NAMED]) + more
        reason = f"{plural(len(statements), 'plan')} would change if the columns of {columns} depended on each other"
        yield NotExamined(
            what="extended statistics", reason=f"{reason}; only rows can tell, which --samples captures"
        )  # fmt: skip


def _closest(twin: Twin, draft: StatisticsDraft) -> ExtendedData:
    """Return the data of columns each of which follows from each other one."""
    places = range(len(draft.columns))
    sets = [some for size in range(2, len(places) + 1) for some in itertools.combinations(places, size)]
    if draft.purpose == "filter":
        return ExtendedData(
            inherited=False,
            dependencies=tuple(
                Dependency(keys=(*(key for key in some if key != last), last), degree=1.0)
                for some in sets
                for last in some
            ),
        )
    relation = twin.snapshot.relation(*draft.table)
    counts = [twin.catalog.distinct(relation, name) if relation is not None else 1.0 for name in draft.columns]
    return ExtendedData(
        inherited=False,
        distinct=tuple(
            DistinctCombinations(keys=some, distinct=math.floor(max(counts[key] for key in some))) for some in sets
        ),
    )
