"""Judge sets of indexes on a live server: their sizes, and what queries cost with them and how long they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.db import Connection
from benchmarks.advisor_sets import Chosen
from benchmarks.advisor_shelf import Shelf
from benchmarks.advisor_suites import Query
from benchmarks.advisor_times import Disagreement, Run, Stopwatch, disagreements, geometric_mean, is_slower
from benchmarks.twin_compare import explain
from benchmarks.twin_live import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the queries take with a set."""

    #: Of all queries, as a share of that without the set.
    total: float
    #: Geometric mean of the queries' ratios.
    mean: float
    #: Names of the queries that are slower.
    slower: tuple[str, ...]
    #: Of those, and of what is not as fast as promised.
    disagreements: tuple[Disagreement, ...]
    #: Queries that were canceled without the set, and with it: their times count as that of the limit.
    timed_out: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A set, and what it is on the live server."""

    chosen: Chosen
    size_bytes: int
    #: Of all queries, as a share of that without the set.
    cost: float
    #: None where nothing was timed.
    times: Times | None = None

    @property
    def unannounced(self) -> tuple[str, ...]:
        """Return the slower queries that were not announced."""
        slower = self.times.slower if self.times is not None else ()
        return tuple(name for name in slower if name not in self.chosen.announced)


@dataclass(slots=True, kw_only=True)
class Judge:
    """Judges the sets of one suite, each against the server without any."""

    connection: Connection
    shelf: Shelf
    queries: Sequence[Query]
    #: None where nothing is to be timed.
    watch: Stopwatch | None
    before: Mapping[str, Run] = field(init=False)

    def __post_init__(self) -> None:
        """Look at the queries without any index but the keys'."""
        self.shelf.show(())
        self.before = self._runs(is_timed=self.watch is not None)

    def judge(self, chosen: Chosen, *, is_timed: bool = True) -> Judged:
        """Build a set, or show it, and look at the queries."""
        tell(f"{chosen.by}, {chosen.limit}: {len(chosen.indexes)} indexes")
        size_bytes = sum(self.shelf.show(chosen.indexes))
        after = self._runs(is_timed=is_timed and self.watch is not None)
        cost = sum(run.cost for run in after.values()) / sum(run.cost for run in self.before.values())
        times = self._times(after) if is_timed and self.watch is not None else None
        return Judged(chosen=chosen, size_bytes=size_bytes, cost=cost, times=times)

    def _runs(self, *, is_timed: bool) -> dict[str, Run]:
        found: dict[str, Run] = {}
        for query in self.queries:
            tree = explain(self.connection, query.text)
            timed = self.watch.time(query.name, query.text, tree) if self.watch is not None and is_timed else None
            found[query.name] = Run(name=query.name, tree=tree, timing=timed)
        return found

    def _times(self, after: Mapping[str, Run]) -> Times:
        assert self.watch is not None  # noqa: S101 - asked before
        texts = {query.name: query.text for query in self.queries}
        pairs = [(name, self.before[name].timing, run.timing) for name, run in after.items()]
        timed = [(name, old, new) for name, old, new in pairs if old is not None and new is not None]
        return Times(
            total=sum(new.milliseconds for _, _, new in timed) / sum(old.milliseconds for _, old, _ in timed),
            mean=geometric_mean(self.before, after),
            slower=tuple(name for name, old, new in timed if is_slower(old.milliseconds, new.milliseconds)),
            disagreements=tuple(disagreements(self.before, after, texts, self.watch, self.shelf.definition)),
            timed_out=(sum(old.timed_out for _, old, _ in timed), sum(new.timed_out for _, _, new in timed)),
        )
