"""Extended statistics that exist or are declared, and whether they make others unnecessary."""

from dataclasses import dataclass
from datetime import date

from analyzer.documents.snapshot import Snapshot
from analyzer.objects.statistics import STATISTICS_KINDS, StatisticsDef, StatisticsKind
from analyzer.specs.existing import existing_statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredStatistics:
    """Extended statistics that a spec names already."""

    definition: StatisticsDef
    state: str
    #: `file:line`.
    where: str
    #: Last day of a rejection; None for a rejection without a date.
    until: date | None = None

    def holds(self, today: date) -> bool:
        """Say whether the declaration still stands: a rejection may have run out."""
        return self.state != "rejected" or self.until is None or self.until >= today


def is_known(snapshot: Snapshot, wanted: StatisticsDef) -> bool:
    """Say whether an object of the captured database tells what others would."""
    for each in snapshot.extended_statistics:
        known = existing_statistics(each)
        if (known.table_schema, each.table) == wanted.full_table and covers(known.definition, wanted):
            return True
    return False


def _kinds(definition: StatisticsDef) -> frozenset[StatisticsKind]:
    return frozenset(definition.kinds or STATISTICS_KINDS)


def covers(known: StatisticsDef, wanted: StatisticsDef) -> bool:
    """Say whether some statistics tell what others would."""
    keys = set(wanted.columns) <= set(known.columns) and set(wanted.expressions) <= set(known.expressions)
    single = len(wanted.columns) + len(wanted.expressions) == 1
    return keys and (single or _kinds(wanted) <= _kinds(known))


def alike(known: StatisticsDef, wanted: StatisticsDef) -> bool:
    """Say whether two are of the same keys, and of kinds that have something in common."""
    keys = known.columns == wanted.columns and set(known.expressions) == set(wanted.expressions)
    return keys and not _kinds(known).isdisjoint(_kinds(wanted))
