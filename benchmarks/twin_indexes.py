"""The listed indexes: built for real on the live server one at a time, predicted on the twin."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.db import Connection, connect
from analyzer.sql import render
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import PlanTree, Twin, TwinIndex, open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_compare import Compared, compare, explain, indexes_of
from benchmarks.twin_listed import Listed, create_extensions, load_listed, loaded_varied
from benchmarks.twin_live import TRUSTED, captured, tell

#: Share of the live cost by which the twin's may be off.
COST_TOLERANCE = 0.05
#: Rows of each table in the second capture, as `twindex capture --samples` takes them.
SAMPLE_ROWS = 10_000
BTREE_SIZE_TOLERANCE, OTHER_SIZE_TOLERANCE = 0.10, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One query under the configuration that has one listed index; a suite's query goes by its number."""

    compared: Compared
    #: Whether the live plan or the twin's reads the index.
    used: bool

    @property
    def is_right(self) -> bool:
        """Say whether the twin has the live plan, at a cost within the tolerance."""
        return self.compared.difference is None and self.compared.error <= COST_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One listed index as it was built and as it was predicted."""

    listed: Listed
    predicted: TwinIndex
    pages: int
    height: int
    pairs: tuple[Pair, ...]

    @property
    def size_ratio(self) -> float:
        """Return predicted pages over real ones."""
        return self.predicted.size.pages / self.pages

    @property
    def is_high(self) -> bool:
        """Say whether the height was predicted."""
        return self.height == self.predicted.size.height

    @property
    def is_btree(self) -> bool:
        """Say whether the index is a btree."""
        return self.listed.index.method == "btree"

    @property
    def is_sized(self) -> bool:
        """Say whether the size was predicted within the tolerance of its access method, or to a page."""
        tolerance = BTREE_SIZE_TOLERANCE if self.is_btree else OTHER_SIZE_TOLERANCE
        return abs(self.predicted.size.pages - self.pages) <= max(1, tolerance * self.pages)


#: Every listed index twice: predicted without samples and with them.
Both = tuple[Measured, Measured]


def measured(server: Cluster, scale: float, suites: Collection[str] = ("tpch", "tpcds", "varied")) -> list[Both]:
    """Build and predict every listed index of the suites."""
    found: list[Both] = []
    for name, listed in load_listed().items():
        if name not in suites:
            continue
        queries: tuple[str, ...] = ()
        if name == "tpch" or name == "tpcds":  # noqa: PLR1714 - narrows the type
            suite = tpc.read_suite(name)
            queries = suite.queries
            url = tpc.loaded(server, suite, scale, tell)
        else:
            url = loaded_varied(server, scale, tell)
        create_extensions(url)
        found += _of_suite(server, f"{name}_{scale:g}", listed, queries)
    return found


def _of_suite(server: Cluster, database: str, listed: Sequence[Listed], queries: Sequence[str]) -> Iterator[Both]:
    plain, sampled = captured(server, database), captured(server, database, sample_rows=SAMPLE_ROWS)
    indexes = [each.index for each in listed]
    with (
        connect(server.url(database), autocommit=True) as live,
        open_twin(plain, wanted=TRUSTED) as without,
        open_twin(sampled, wanted=TRUSTED) as with_samples,
    ):
        twins = (without, with_samples)
        for each, *predicted in zip(listed, *(twin.add(indexes) for twin in twins), strict=True):
            tell(f"{database}: {each.index.ddl()}")
            word = re.compile(rf"\b{each.index.table}\b")
            suite = database.partition("_")[0]
            named = {f"{suite} {number}": query for number, query in enumerate(queries, 1) if word.search(query)}
            asked = {f"`{' '.join(probe.split())}`": probe for probe in each.probes} | named
            built = _build(live, each, tuple(asked.values()))
            first, second = (_predict(*pair, each, built, asked) for pair in zip(twins, predicted, strict=True))
            yield first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    pages: int
    height: int
    #: Of every query, in order.
    plans: tuple[PlanTree, ...]


def _build(live: Connection, listed: Listed, queries: Sequence[str]) -> _Built:
    """Build one index on the live server, plan with it, and take it away again."""
    with live.transaction(force_rollback=True):
        live.execute(render("twin/statement", statement=listed.index.ddl()))
        if listed.has_expression:
            live.execute(render("bench/analyze", table=listed.index.table))
        values = {"name": listed.index.name, "btree": listed.index.method == "btree"}
        shape = live.execute(render("bench/index_shape"), values).fetchone()
        assert shape is not None  # noqa: S101 - the index exists
        plans = tuple(explain(live, query) for query in queries)
        return _Built(pages=int(shape["pages"]), height=int(shape["height"]), plans=plans)


def _predict(twin: Twin, predicted: TwinIndex, listed: Listed, built: _Built, asked: Mapping[str, str]) -> Measured:
    twin.show([predicted])
    pairs = tuple(_pair(twin, listed, *named, plan) for named, plan in zip(asked.items(), built.plans, strict=True))
    return Measured(listed=listed, predicted=predicted, pages=built.pages, height=built.height, pairs=pairs)


def _pair(twin: Twin, listed: Listed, name: str, query: str, live: PlanTree) -> Pair:
    plan = twin.plan(query, generic=False)
    used = listed.index.name in plan.indexes | indexes_of(live)
    return Pair(compared=compare(name, live, plan), used=used)


def section(server: Cluster, scale: float) -> Section:
    """Measure the listed indexes and render what came out."""
    found = measured(server, scale)
    sides = (tuple(plain for plain, _ in found), tuple(sampled for _, sampled in found))
    shares = list(zip(*(_shares(side) for side in sides), strict=True))
    rows = (
        (one.what, str(one.number), f"{100 * one.wanted:.0f} %", one.printed, other.printed) for one, other in shares
    )  # fmt: skip
    text = "\n\n".join((
        f"## {len(found)} listed indexes, scale {scale:g}",
        _explained(sorted({plain.listed.index.method for plain, _ in found})),
        render_table(("of", "number:", "wanted:", "without samples:", "with samples:"), rows),
        render_table(
            ("index", "pages:", "predicted:", "ratio:", "sampled:", "height:", "predicted:", "pairs:", "right:"),
            (_row(*each) for each in found),
        ),
        *_failures("With samples, not right:", sides[1]),
        *_failures("Without samples, not right:", sides[0]),
    ))  # fmt: skip
    targets = (_target(share, how) for both in shares for share, how in zip(both, ("without", "with"), strict=True))
    return Section(text=text, targets=tuple(targets))


def _explained(methods: Sequence[str]) -> str:
    return (
        f"Every index of `benchmarks/twin_indexes.yaml` ({', '.join(methods)}) is built on the live server, alone, and "
        "rolled back; an expression is analysed first. A pair is a query on its table with that one index: the suite's "
        f"own queries and one or two made for the index. Samples are of {SAMPLE_ROWS:,} rows a table "
        "(`twindex capture --samples`). A size is within its tolerance also when it is off by a single page.\n\n"
        "What stays off: a constant beyond the histogram of a column that no index led before, since the live planner "
        "looks up the true extreme in the new index and nothing but a scan could have told it to the capture; trigram "
        "searches, by how many rare entries the index holds; queries near a change of plans, where the ANALYZE that an "
        "expression needs drew other rows than the capture's; and without samples, the size of indexes on columns that "
        "follow from each other or from the predicate, and an expression of which statistics show each value once."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """How many of some are right."""

    what: str
    right: int
    number: int
    wanted: float = 0.95

    @property
    def printed(self) -> str:
        """Return it as a percentage."""
        return f"{self.right / self.number:.1%}" if self.number else "-"

    @property
    def met(self) -> bool:
        """Say whether there are some, and enough of them are right."""
        return self.right >= self.wanted * self.number > 0


def _shares(found: Sequence[Measured]) -> Iterator[_Share]:
    pairs = [pair for each in found for pair in each.pairs]
    used = [pair for pair in pairs if pair.used]
    btrees = [each for each in found if each.is_btree]
    others = [each for each in found if not each.is_btree]
    for what, some in (("pairs (query, index)", pairs), ("pairs whose plan uses the index", used)):
        same = sum(pair.compared.difference is None for pair in some)
        near = sum(pair.compared.error <= COST_TOLERANCE for pair in some)
        yield _Share(what=f"{what}: same plan", right=same, number=len(some))
        yield _Share(what=f"{what}: cost within 5 %", right=near, number=len(some))
    yield _Share(what="btree: size within 10 %", right=sum(each.is_sized for each in btrees), number=len(btrees))
    yield _Share(what="btree: height", right=sum(each.is_high for each in btrees), number=len(btrees))
    sized = sum(each.is_sized for each in others)
    yield _Share(what="others: size within 25 %", right=sized, number=len(others), wanted=1)


def _target(share: _Share, how: str) -> Target:
    wanted = f"{100 * share.wanted:.0f} %"
    return Target(name=f"{share.what}, {how} samples", wanted=wanted, measured=share.printed, met=share.met)


def _row(plain: Measured, sampled: Measured) -> tuple[str, ...]:
    ddl = plain.listed.index.ddl().partition(" ON ")[2].removeprefix("public.").replace("USING btree ", "")
    right = sum(pair.is_right for pair in sampled.pairs)
    heights = (str(plain.height), str(sampled.predicted.size.height)) if plain.is_btree else ("", "")
    return (
        f"`{ddl}`", str(plain.pages), str(plain.predicted.size.pages), _ratio(plain), _ratio(sampled),
        *heights, str(len(plain.pairs)), str(right),
    )  # fmt: skip


def _ratio(each: Measured) -> str:
    return f"{each.size_ratio:.2f}" if each.is_sized else f"**{each.size_ratio:.2f}**"


def _failures(title: str, found: Sequence[Measured]) -> Iterator[str]:
    rows = [
        (f"`{each.listed.index.name}`", pair.compared.name, f"{pair.compared.error:.1%}",
         pair.compared.difference or pair.compared.drift or "")
        for each in found for pair in each.pairs if not pair.is_right
    ]  # fmt: skip
    if rows:
        yield title
        yield render_table(("index", "query", "cost error:", "first difference"), rows)
