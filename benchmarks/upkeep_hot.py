"""HOT updates that an index prevents: what they take without it and with it, beside other indexes."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.db import Connection
from analyzer.sql import render
from benchmarks.upkeep_measure import Meter, Used, least

_ROWS, _PAGES, _REPETITIONS = 100_000, 200, 3
OTHERS = (1, 2, 5, 10)
#: What an UPDATE of every row changes, and the index on it.
UPDATE = "UPDATE account SET hits = 1"
INDEX = "CREATE INDEX ix_hits ON account (hits)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HotLost:
    """Updates of one row beside so many other indexes."""

    others: int
    before: Used
    after: Used


def measure_hot(connection: Connection, scale: float) -> Iterator[HotLost]:
    """Measure updates of a column, first with indexes of another one, then with one of its own too."""
    meter = Meter(connection)
    for others in OTHERS:
        found = [_updated(meter, others, scale, indexed=indexed) for indexed in (False, True)]
        yield HotLost(others=others, before=found[0], after=found[1])


def _updated(meter: Meter, others: int, scale: float, *, indexed: bool) -> Used:
    for statement in (
        "DROP TABLE IF EXISTS account",
        "CREATE TABLE account (LIKE plain) WITH (fillfactor = 40)",
        f"INSERT INTO account SELECT * FROM plain WHERE id <= {round(_ROWS * scale)}",
        *(f"CREATE INDEX ix_{number} ON account (balance)" for number in range(others)),
        *([INDEX] if indexed else []),
        "VACUUM ANALYZE account",
    ):
        meter.connection.execute(render("twin/statement", statement=statement))
    pages, change = round(_PAGES * scale), "hits = (a.id % 1000)::integer + 1"
    return least(
        [
            meter.run(
                render(
                    "bench/upkeep/update", change=change, first=f"({number * pages},0)",
                    last=f"({(number + 1) * pages},0)",
                )
            )
            for number in range(_REPETITIONS)
        ]
    )  # fmt: skip
