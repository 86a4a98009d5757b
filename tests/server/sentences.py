"""Sentences: a statement, and an index that is drafted for it, used by the planner and cheaper than what there is.

    ("SELECT id FROM orders WHERE status = $1 AND total > $2", "orders (status, total)")

An index is written as CREATE INDEX has it, without what all of them have in common: an access method other than btree
first, the table, its keys, and INCLUDE, WITH and WHERE as needed: `gin documents (search)`. The tables are those of
sentences.sql, with a multiple of its rows, on one twin. Several statements of one sentence stand apart by `;`.
"""

import contextlib
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from analyzer.advise.benefit import PricedStatement, statement_cost
from analyzer.advise.candidates import candidates
from analyzer.advise.price import shaped_and_priced
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.described import SnapshotRecord
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.twin import Twin, TwinIndex, open_twin
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

SCHEMA = Path(__file__).with_suffix(".sql")
#: How many times the rows of the file each table has.
TIMES = {"countries": 1, "products": 100, "events": 100}
_OTHER_TIMES = 25
#: Methods that an index may begin with.
_METHODS = "btree|hash|gin|gist|spgist|brin|bloom|hnsw|ivfflat"


class Sentences:
    """The twin that sentences are checked on."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._added: dict[IndexDef, TwinIndex] = {}
        self._drafted: dict[str, tuple[IndexDef, ...]] = {}

    def index(self, text: str) -> IndexDef:
        """Read an index as sentences write it."""
        found = re.fullmatch(rf"(?:({_METHODS}) )?([\w.]+) (\(.*)", text, re.DOTALL)
        assert found, f"not an index: {text}"
        ddl = f"CREATE INDEX ON {found[2]} USING {found[1] or 'btree'} {found[3]}"
        (index,) = self.twin.parse_ddl([ddl])
        return index

    def drafted(self, statements: str) -> tuple[IndexDef, ...]:
        """Return the candidates for some statements, as the server prints them, most promising first."""
        if statements not in self._drafted:
            shapes = [shape for item in self._priced(statements) for shape in item.shapes]
            found = candidates(shapes, self.twin.snapshot, self.twin.operator_classes)
            self._drafted[statements] = tuple(self.twin.printed(each.index) for each in found)
        return self._drafted[statements]

    def assert_gets(self, statements: str, text: str) -> None:
        """Check that an index is drafted for some statements, that one of them uses it, and that all cost less."""
        index = self.index(text)
        drafted = self.drafted(statements)
        assert any(_is_same(index, each) for each in drafted), self._told(statements, text, "is not drafted", drafted)
        before, _ = self._cost(statements, None)
        after, used = self._cost(statements, index)
        verdict = f"is not used: they use {', '.join(sorted(used)) or 'no index'}"
        assert self._add(index).names & used, self._told(statements, text, verdict, drafted)
        verdict = f"does not make it cheaper: {before:,.1f} before, {after:,.1f} with it"
        assert after < before, self._told(statements, text, verdict, drafted)

    def assert_does_not_get(self, statements: str, text: str) -> None:
        """Check that an index that can be built is not drafted for some statements, which can be planned."""
        index, drafted = self.index(text), self.drafted(statements)
        assert not any(_is_same(index, each) for each in drafted), self._told(
            statements, text, "is drafted and must not be", drafted
        )

    def costs(self, statements: str, text: str) -> tuple[float, float]:
        """Return what one execution of each costs without and with an index, whether or not that is drafted."""
        return self._cost(statements, None)[0], self._cost(statements, self.index(text))[0]

    def _priced(self, statements: str) -> tuple[PricedStatement, ...]:
        workload = parse_file(statements)
        assert not workload.not_examined, workload.not_examined
        self.twin.show(())
        found: list[PricedStatement] = []
        for statement in workload.statements:
            _, item = shaped_and_priced(self.twin, statement)
            assert not isinstance(item, NotExamined), f"{statement.text}: {item}"
            found.append(item)
        return tuple(found)

    def _cost(self, statements: str, index: IndexDef | None) -> tuple[float, frozenset[str]]:
        """Return what one execution of each costs and which indexes are used, with an index and without any."""
        return self.cost_of(self._priced(statements), index)

    def cost_of(self, priced: Sequence[PricedStatement], index: IndexDef | None) -> tuple[float, frozenset[str]]:
        """Return what one execution of each costs and which indexes are used, with an index and without any."""
        added = None if index is None else self._add(index)
        shown = [] if added is None else [added]
        self.twin.show(shown)
        costs = [statement_cost(self.twin, item.execution, shown) for item in priced]
        self.twin.show(())
        return sum(cost.total for cost in costs), frozenset[str]().union(*(cost.indexes for cost in costs))

    def _add(self, index: IndexDef) -> TwinIndex:
        if index not in self._added:
            name = f"sentence_{len(self._added)}"
            (self._added[index],) = self.twin.add([index.renamed(name)])
        return self._added[index]

    @staticmethod
    def _told(statements: str, text: str, verdict: str, drafted: tuple[IndexDef, ...]) -> str:
        listed = [f"    {written(each)}" for each in drafted] or ["    nothing"]
        return "\n".join([f"\n  {statements.strip()}", f"  → {text}", f"  {verdict}; drafted were:", *listed])


def written(index: IndexDef) -> str:
    """Write an index as sentences do."""
    ddl = index.ddl()
    found = re.match(r"CREATE INDEX \S+ ON (?:public\.)?(\S+)(?: USING (\w+))? (.*)", re.sub(r"\s+", " ", ddl))
    if found is None:
        return ddl
    method = "" if index.method == "btree" else f"{index.method} "
    return f"{method}{found[1]} {found[3]}".removesuffix(";")


def _is_same(wanted: IndexDef, drafted: IndexDef) -> bool:
    """Say whether two definitions are the same index: a btree is read in either direction, INCLUDE has no order."""
    turned = tuple(
        replace(
            key,
            descending=not key.descending,
            nulls="last" if (key.nulls or ("first" if key.descending else "last")) == "first" else "first",
        )
        for key in drafted.keys
    )
    directions = (drafted.keys, turned) if drafted.method == "btree" else (drafted.keys,)
    include = tuple(sorted(wanted.include))
    return any(
        replace(drafted, keys=keys, include=tuple(sorted(drafted.include))) == replace(wanted, include=include)
        for keys in directions
    )


def scaled(snapshot: Snapshot, times: Mapping[str, int]) -> Snapshot:
    """Return a snapshot of tables with a multiple of the rows."""

    def multiple(values: SnapshotRecord, table: str, *names: str) -> dict[str, object]:
        return {
            name: value * times.get(table, _OTHER_TIMES) for name in names if (value := getattr(values, name) or 0) > 0
        }

    relations = tuple(
        each.model_copy(
            update=multiple(each, each.name, "pages", "tuples", "all_visible_pages", "size_bytes", "total_size_bytes")
        )
        for each in snapshot.relations
    )
    indexes = tuple(
        each.model_copy(
            update={**multiple(each, each.definition.table, "pages", "tuples", "size_bytes"), "height": None}
        )
        for each in snapshot.indexes
    )
    return snapshot.model_copy(update={"relations": relations, "indexes": indexes})


@contextlib.contextmanager
def open_sentences(
    server: str, *, schema: str | None = None, times: Mapping[str, int] = TIMES, wanted: PlannerChoice | None = None
) -> Generator[Sentences]:
    """Load a schema into a database of a server, and open the twin of its multiple."""
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in (SCHEMA.read_text() if schema is None else schema).split(";\n"):
                connection.execute(statement.encode())
        snapshot = capture(url)
    with open_twin(scaled(snapshot, times), wanted=wanted) as twin:
        yield Sentences(twin)
