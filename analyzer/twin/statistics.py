"""Extended statistics that a twin has beyond the captured ones, with data from samples of rows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg

from analyzer.documents.measured import ExtendedStatistics
from analyzer.errors import InputError
from analyzer.objects.statistics import StatisticsDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident, render
from analyzer.twin.build import Built
from analyzer.twin.predict import sampled_keys
from analyzer.twin.predict.sample_table import SampleTable, load, sample_of
from analyzer.twin.predict.sampled_keys import Dependence
from analyzer.twin.restore.extended_statistics import restore_data
from analyzer.twin.schema.clock import freeze_clock
from analyzer.twin.survivor import Survivor

T = TypeVar("T")

#: Fewer rows of a table that has more say too little.
_FEWEST_ROWS = 100


class SampledStatistics:
    """What the samples say of keys of their tables, and the extended statistics that the planner sees of them."""

    def __init__(self, server: Survivor[Built]) -> None:
        self._server = server
        #: On the server that was built when they were shown.
        self._shown: tuple[Built, dict[str, ExtendedStatistics]] | None = None

    def sample(self, table: QualifiedName, columns: Sequence[str] = ()) -> SampleTable | None:
        """Return the sample of a table; None where it is missing, too small, or without one of these columns."""
        found = sample_of(self._server.snapshot, table)
        if found is None or len(found.sample.lines) < min(_FEWEST_ROWS, found.total_rows):
            return None
        known = set(found.sample.columns) - set(found.sample.incomplete)
        return found if known.issuperset(columns) and found.sample.lines else None

    def dependence(self, table: SampleTable, first: str, second: str) -> Dependence | None:
        """Compare two keys, which are SQL; None where the sample does not tell."""
        return self._asked(
            lambda built: sampled_keys.dependence(built.inflated.captured, table, first, second)
        )  # fmt: skip

    def combinations(self, table: SampleTable, keys: Sequence[str]) -> float | None:
        """Estimate how many combinations of values keys, which are SQL, have in the table."""
        return self._asked(lambda built: sampled_keys.combinations(built.inflated.captured, table, keys))

    def learn(self, definition: StatisticsDef) -> ExtendedStatistics | None:
        """Return extended statistics with what ANALYZE would find for them; None where the sample does not tell."""
        snapshot, table = self._server.snapshot, self.sample(definition.full_table, definition.columns)
        if table is None:
            return None
        data = self._asked(lambda built: sampled_keys.sampled_data(built.inflated, snapshot, table, definition))
        return None if data is None else as_extended(definition).model_copy(update={"data": (data,)})

    def share(self, table: SampleTable, alias: str, condition: str) -> tuple[int, int] | None:
        """Count the rows of a sample that a condition of a plan keeps, and all; None where it holds more than that."""

        def count(built: Built) -> tuple[int, int] | None:
            connection = built.inflated.captured
            with connection.transaction():
                load(connection, table)
            query = render(
                "twin/conditional_sample", name=table.name, alias=alias, condition=freeze_clock(condition)
            )  # fmt: skip
            row = connection.execute(query).fetchone()
            return None if row is None else (int(row["kept"]), int(row["rows"]))

        return self._asked(count)

    @property
    def is_settled(self) -> bool:
        """Say whether the planner still sees what it was shown: a server that is built again does not."""
        return self._shown is None or self._shown[0] is self._server.built

    def show(self, statistics: Sequence[ExtendedStatistics]) -> None:
        """Let the planner see these extended statistics and no others beyond the captured ones.

        Raises psycopg.Error, and shows none, where the server rejects one of them.
        """
        wanted = {str(ident(each.schema_name, each.name)): each for each in statistics}
        self._server.surviving(lambda: self._change(wanted))

    def _change(self, wanted: dict[str, ExtendedStatistics]) -> None:
        built = self._server.built
        shown = self._shown[1] if self._shown is not None and self._shown[0] is built else {}
        self._shown = built, shown
        try:
            for name in [name for name, each in shown.items() if wanted.get(name) != each]:
                self._drop(built, shown.pop(name))
            for name, each in wanted.items():
                if name not in shown:
                    shown[name] = each
                    with built.inflated.building() as captured:
                        captured.execute(render("twin/statement", statement=each.definition))
                    restore_data(built.inflated, each)
        except psycopg.Error:
            if not built.is_broken:
                for name in list(shown):
                    self._drop(built, shown.pop(name))
            raise

    def _drop(self, built: Built, statistics: ExtendedStatistics) -> None:
        names = {"schema": statistics.schema_name, "name": statistics.name}
        built.inflated.captured.execute(render("statistics/drop_statistics", **names))

    def _asked(self, ask: Callable[[Built], T]) -> T | None:
        """Ask about a sample; None where it cannot be: an expression fails on a row, a type does not sort."""
        try:
            return self._server.surviving(lambda: ask(self._server.built))
        except (psycopg.Error, InputError):
            if self._server.built.is_broken:
                raise
            return None


def as_extended(definition: StatisticsDef) -> ExtendedStatistics:
    """Return extended statistics without data."""
    return ExtendedStatistics(
        schema_name=definition.schema,
        name=definition.name,
        table_schema=definition.schema,
        table=definition.table,
        definition=definition.ddl(),
        columns=definition.columns,
        expressions=definition.expressions,
        target=definition.target,
    )
