"""What a unit of cost is in time: what reads save of both where they have an index."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.db import Connection
from analyzer.sql import render
from benchmarks.twin_compare import explain
from benchmarks.upkeep_measure import Meter

_REPETITIONS = 3
#: Reads of the ready rows, each with the index that serves it, of few rows and of many: conditions, joins, orders.
_READS: Sequence[tuple[str, str, str]] = (
    ("one row", "(balance)", "SELECT count(name) FROM plain WHERE balance = 1000000"),
    ("0.1 %", "(balance)", "SELECT count(name) FROM plain WHERE balance BETWEEN 1000000 AND 3000000"),
    ("1 %", "(balance)", "SELECT count(name) FROM plain WHERE balance BETWEEN 1000000 AND 21000000"),
    ("1 %, in order", "(noted)", "SELECT count(name) FROM plain WHERE noted < '2026-01-01 01:23:00+00'"),
    ("a value of a thousand", "(branch)", "SELECT sum(balance) FROM plain WHERE branch = 17"),
    ("only the index", "(branch) INCLUDE (balance)", "SELECT sum(balance) FROM plain WHERE branch < 100"),
    ("text", "(code)", "SELECT max(name) FROM plain WHERE code = 'a'"),
    ("expression", "((lower(code)))", "SELECT max(name) FROM plain WHERE lower(code) = 'a'"),
    ("first rows in order", "(balance)", "SELECT name FROM plain ORDER BY balance LIMIT 10"),
    ("array", "USING gin (tags)", "SELECT count(name) FROM plain WHERE tags @> '{5}'"),
    ("point", "USING gist (spot)", "SELECT count(name) FROM plain WHERE spot <@ box '((1,1),(20,20))'"),
    ("groups", "(branch)", "SELECT branch, count(*) FROM plain GROUP BY branch"),
    (
        "join",
        "(balance)",
        "SELECT count(o.name) FROM plain AS s JOIN plain AS o ON o.balance = s.balance WHERE s.id < 100",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read, without its index and with it."""

    name: str
    cost_before: float
    cost_after: float
    cpu_us_before: float
    cpu_us_after: float

    @property
    def us_per_unit(self) -> float:
        """Return the microseconds that are saved with one unit of cost."""
        return (self.cpu_us_before - self.cpu_us_after) / (self.cost_before - self.cost_after)


def measure_reads(connection: Connection) -> Iterator[Read]:
    """Measure reads of the ready rows, each with and without its index."""
    meter = Meter(connection)
    connection.execute(render("twin/statement", statement="SET enable_seqscan TO on"))
    for name, index, query in _READS:
        before = _measured(meter, query)
        connection.execute(render("twin/statement", statement=f"CREATE INDEX ix_read ON plain {index}"))
        connection.execute(render("twin/statement", statement="VACUUM ANALYZE plain"))
        after = _measured(meter, query)
        connection.execute(render("twin/statement", statement="DROP INDEX ix_read"))
        yield Read(
            name=name, cost_before=before[0], cost_after=after[0], cpu_us_before=before[1], cpu_us_after=after[1]
        )


def _measured(meter: Meter, query: str) -> tuple[float, float]:
    cost = float(explain(meter.connection, query)["Total Cost"])
    statement = render("twin/statement", statement=query)
    meter.run(statement, rows=1)  # what is read comes into the buffers
    return cost, min(meter.run(statement, rows=1).cpu_us for _ in range(_REPETITIONS))


def microseconds_per_unit(reads: Sequence[Read]) -> float:
    """Return the median of what the reads say."""
    return statistics.median(each.us_per_unit for each in reads if each.cost_after < each.cost_before)
