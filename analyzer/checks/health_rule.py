"""A rule about a database: what it looks at, and the answer it gives for each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TypeVar, cast

from analyzer.advise.kept_indexes import ScanCounts
from analyzer.catalog import Catalog
from analyzer.checks.rule import Rule
from analyzer.documents.findings import Confidence, Fact, Remedy, Severity
from analyzer.objects.index import IndexDef
from analyzer.workload.shapes import Shape, TableShape, shapes
from analyzer.workload.statement import Statement, Workload

#: A statement with what it asks of a table.
Asked = tuple[Statement, TableShape]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A number that decides what is reported; `[tool.twindex.thresholds]` sets it."""

    #: As in the settings, such as "unused-index.size".
    name: str
    default: float
    #: Of the number, such as "bytes".
    unit: str
    #: What it is, such as "smaller indexes are not reported".
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Database:
    """What the rules read: a snapshot, and the settings of the project."""

    catalog: Catalog
    #: By name of the threshold, where the project sets another one.
    thresholds: Mapping[str, float]
    #: The recorded statements; None without any.
    workload: Workload | None = None
    #: Indexes that are declared and approved, deployed or not.
    declared: tuple[IndexDef, ...] = ()
    _known: dict[object, object] = field(default_factory=dict[object, object], repr=False)

    @cached_property
    def scans(self) -> ScanCounts:
        """What the captured servers counted of each index."""
        return ScanCounts(self.catalog.snapshot)

    @cached_property
    def shapes(self) -> tuple[Shape, ...] | None:
        """What the recorded statements ask of their tables; None without recorded statements."""
        return shapes(self.workload.statements, self.catalog.snapshot)[0] if self.workload is not None else None

    @cached_property
    def asked(self) -> Mapping[tuple[str, str], tuple[Asked, ...]] | None:
        """Which recorded statement asks what of each table; None without recorded statements."""
        if self.workload is None or self.shapes is None:
            return None
        statements = {each.id: each for each in self.workload.statements}
        found: dict[tuple[str, str], list[Asked]] = {}
        for shape in self.shapes:
            for each in shape.tables:
                found.setdefault((each.schema, each.table), []).append((statements[shape.statement_id], each))
        return {table: tuple(each) for table, each in found.items()}

    @cached_property
    def days(self) -> float | None:
        """For how many days the captured server that counts longest has counted, at least one; None if unknown."""
        snapshot = self.catalog.snapshot
        starts = [snapshot.server.stats_reset, *(each.stats_reset for each in snapshot.servers)]
        known = [each for each in starts if each is not None]
        if not known:
            return None
        return max(1.0, (snapshot.captured_at - min(known)) / timedelta(days=1))

    def once(self, make: Callable[["Database"], T]) -> T:
        """Return what a function makes of this, which several rules ask for."""
        if make not in self._known:
            self._known[make] = make(self)
        return cast("T", self._known[make])

    def value(self, threshold: Threshold) -> float:
        """Return a threshold as the project sets it."""
        return self.thresholds.get(threshold.name, threshold.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """An object was examined and is as it should be."""

    #: Quoted and qualified; of a statement, its ID.
    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An object could not be examined, and why."""

    object: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """The rule is broken by an object."""

    object: str
    message: str
    evidence: tuple[Fact, ...] = ()
    caveats: tuple[str, ...] = ()
    remedy: Remedy | None = None
    #: What to do where that is not SQL alone.
    rewrite: str | None = None
    confidence: Confidence = "exact"
    #: Another one than the rule's.
    severity: Severity | None = None
    #: What tells it from other findings of the rule about the same object.
    part: str = ""


Answer = Fine | Skipped | Flagged
Examine = Callable[[Database], Iterator[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRule(Rule):
    """A rule about a database: it answers once for each object it is about."""

    examine: Examine
    thresholds: tuple[Threshold, ...] = ()
