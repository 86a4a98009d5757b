"""What-if by hand: the cost that the twin names is the one that the server names once the index is there."""

import psycopg
import pytest

from analyzer.advise.whatif import Trial, try_indexes
from analyzer.capture.capture import capture
from analyzer.errors import InputError
from analyzer.twin.twin import open_twin
from analyzer.workflows.whatif import whatif
from analyzer.workload.parse import parse_listed

SCHEMA = """
CREATE TABLE "Order Item" (id integer PRIMARY KEY, "Größe" text, n integer, doc jsonb);
INSERT INTO "Order Item" SELECT i, 'g' || i % 900, i % 50, jsonb_build_object('k', i % 700)
FROM generate_series(1, 30000) AS i;
CREATE INDEX "By N" ON "Order Item" (n);
VACUUM ANALYZE
"""
QUERIES = """
SELECT id FROM "Order Item" WHERE "Größe" = 'g7';
SELECT count(*) FROM "Order Item" WHERE n = 3;
SELECT id FROM absent;
VACUUM;
SELECT id FROM "Order Item" WHERE doc @> '{"k": 5}'
"""
CREATES = (
    'CREATE INDEX ON "Order Item" ("Größe")',
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS by_doc ON "Order Item" USING gin (doc jsonb_path_ops)',
)


@pytest.fixture
def orders(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
    return database


def trials(url: str, *, create: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> tuple[Trial, ...]:
    with open_twin(capture(url, statements=False)) as twin:
        return try_indexes(twin, parse_listed(QUERIES), create=create, drop=drop)


def costs(url: str, *changes: str) -> list[float]:
    """Make the changes for real, and ask the server for the cost of what can be planned."""
    found: list[float] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in changes:
            connection.execute(statement.encode())
        for number in (0, 1, 4):
            row = connection.execute(b"EXPLAIN (FORMAT JSON) " + QUERIES.split(";\n")[number].encode()).fetchone()
            assert row is not None
            found.append(row[0][0]["Plan"]["Total Cost"])
    return found


def test_statements_keep_their_order_and_those_without_a_plan_say_why(orders: str) -> None:
    tried = trials(orders, create=CREATES)
    assert [trial.error is None for trial in tried] == [True, True, False, False, True]
    assert 'relation "absent" does not exist' in (tried[2].error or "")
    assert "VACUUM is a utility statement" in (tried[3].error or "")
    document = whatif(capture(orders, statements=False), parse_listed(QUERIES), create=CREATES)
    assert [(each.cost_before, each.cost_after) for each in document.statements] == [
        (trial.cost_before, trial.cost_after) for trial in tried
    ]
    gaps = {(gap.what, gap.reason) for gap in document.not_examined if gap.what.startswith("the statement ")}
    assert gaps == {(f"the statement {trial.id}", trial.error) for trial in tried if trial.error is not None}
    planned = [trial for trial in tried if trial.error is None]
    assert document.total_before == pytest.approx(sum(trial.cost_before or 0 for trial in planned))
    assert document.total_after < document.total_before / 2


def test_costs_are_those_of_the_server_before_and_after(orders: str) -> None:
    tried = [trial for trial in trials(orders, create=CREATES) if trial.error is None]
    assert [trial.cost_before for trial in tried] == pytest.approx(costs(orders), rel=1e-3)
    real = costs(orders, *CREATES)
    after = [trial.cost_after for trial in tried]
    assert after[:2] == pytest.approx(real[:2], rel=1e-3)
    assert after[2] == pytest.approx(real[2], rel=0.1), "how many pages of a new GIN hold entries is an estimate"


def test_doing_without_an_index_costs_what_the_server_says(orders: str) -> None:
    tried = [trial for trial in trials(orders, drop=('public."By N"',)) if trial.error is None]
    assert tried[1].cost_after == pytest.approx(costs(orders, 'DROP INDEX "By N"')[1], rel=1e-3)
    assert tried[0].cost_after == tried[0].cost_before


def test_a_name_that_is_taken_is_no_obstacle(orders: str) -> None:
    tried = trials(orders, create=('CREATE INDEX "By N" ON "Order Item" ("Größe")',))
    assert (tried[0].cost_after or 0) < (tried[0].cost_before or 0) / 5


@pytest.mark.parametrize(
    ("create", "drop", "says"),
    [
        ("ALTER TABLE x ADD y integer", "", "is not a CREATE INDEX statement; specify one"),
        ("CREATE INDEX ON nowhere (a)", "", 'relation "nowhere" does not exist; fix the statement'),
        ('CREATE INDEX ON "Order Item" (n', "", "fix the statement|cannot be read"),
        ("", "public.absent", "there is no index public.absent to drop"),
        ("", 'public."Order Item"', "there is no index"),
        ("", "a.b.c.d", "cannot be dropped"),
        ("", '"', "there is no index"),
    ],
)
def test_what_is_no_index_is_refused(orders: str, create: str, drop: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        trials(orders, create=(create,) if create else (), drop=(drop,) if drop else ())
