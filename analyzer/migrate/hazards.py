"""What a step does to others, as a closed set of codes, so that a deploy or a CI job can refuse one by name."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from analyzer.errors import InputError, TwindexError

#: Stands for every code where codes are given.
ALL = "ALL"


class HazardCode(StrEnum):
    """What a step does to others; docs/commands/revise.md lists them, and a code never changes its meaning."""

    LOCK = "LOCK"
    INDEX_BUILD = "INDEX_BUILD"
    INDEX_REPLACED = "INDEX_REPLACED"
    INDEX_RENAMED = "INDEX_RENAMED"
    INDEX_DROPPED = "INDEX_DROPPED"
    UNIQUE = "UNIQUE"
    ON_CONFLICT = "ON_CONFLICT"
    STATISTICS_DROPPED = "STATISTICS_DROPPED"
    ANALYZE = "ANALYZE"

    @property
    def summary(self) -> str:
        """Return what it means, in a phrase."""
        return _SUMMARIES[self]


_SUMMARIES = {
    HazardCode.LOCK: "holds a lock that others may have to wait for",
    HazardCode.INDEX_BUILD: "builds an index: reads the table and writes as much as the index is large",
    HazardCode.INDEX_REPLACED: "replaces an index: the old and the new one need space until the swap",
    HazardCode.INDEX_RENAMED: "renames an index: hints and monitoring that name it need the new name",
    HazardCode.INDEX_DROPPED: "drops an index: queries that used it get another plan",
    HazardCode.UNIQUE: "builds a unique index: fails on duplicates, and rejects them from then on",
    HazardCode.ON_CONFLICT: "replaces a unique index: concurrent INSERT … ON CONFLICT may fail",
    HazardCode.STATISTICS_DROPPED: "drops extended statistics: estimates that used them change, and plans with them",
    HazardCode.ANALYZE: "analyzes a table: reads a sample of it, and of every partition",
}


@dataclass(frozen=True, slots=True)
class Hazard:
    """What one step does to others while it runs and afterwards; a revision shows it as `CODE: sentence`."""

    code: HazardCode
    sentence: str

    def __str__(self) -> str:
        """Write it as a revision does."""
        return f"{self.code}: {self.sentence}"


class HazardError(TwindexError):
    """A change has hazards that are refused: nothing is written, exit 1."""

    exit_status = 1

    def __init__(self, lines: Iterable[str]) -> None:
        """Hold one line per hazard, which names step and code."""
        self.lines = tuple(lines)
        super().__init__("; ".join(self.lines))


def refused_codes(
    *, project: Iterable[str] = (), refuse: Iterable[str] = (), allow: Iterable[str] = ()
) -> frozenset[HazardCode]:
    """Return the codes to refuse: the project's and `refuse`, without `allow`.

    Raises InputError for a code that does not exist, and for one that `refuse` and `allow` both name.
    """
    allowed, named = frozenset(_codes(allow)), frozenset(_codes(each for each in refuse if each.upper() != ALL))
    if both := sorted(allowed & named):
        raise InputError(f"hazard {both[0]} is both refused and allowed; give one of the two")
    return (frozenset(_codes(project, "[tool.twindex] refuse_hazards: ")) | frozenset(_codes(refuse))) - allowed


def refuse_hazards(steps: Iterable[tuple[str, Collection[Hazard]]], refused: Collection[HazardCode]) -> None:
    """Raise HazardError when a step, given by its name and its hazards, has one that is refused."""
    lines = [
        f"{hazard.code} is refused: {step}: {hazard.sentence}"
        for step, found in steps
        for hazard in found
        if hazard.code in refused
    ]
    if lines:
        raise HazardError(lines)


def _codes(names: Iterable[str], where: str = "") -> Iterator[HazardCode]:
    for name in names:
        if name.upper() == ALL:
            yield from HazardCode
        elif name.upper() in HazardCode.__members__:
            yield HazardCode[name.upper()]
        else:
            raise InputError(
                f"{where}hazard {name!r} does not exist; the hazards are {', '.join(HazardCode)}, and {ALL}"
            )
