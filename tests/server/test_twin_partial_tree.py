"""An index of a partitioned table that waits for more partitions takes nothing from those it has."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role
from tests.server.live_plans import Live, assert_same, live_database

OBJECTS = (
    "CREATE TABLE sale (id integer NOT NULL, city text, day integer) PARTITION BY RANGE (id)",
    *(f"CREATE TABLE sale_{at} PARTITION OF sale FOR VALUES FROM ({at}000) TO ({at + 1}000)" for at in range(3)),
    "CREATE TABLE sale_3 PARTITION OF sale FOR VALUES FROM (3000) TO (5000) PARTITION BY RANGE (id)",
    "CREATE TABLE sale_3a PARTITION OF sale_3 FOR VALUES FROM (3000) TO (5000)",
    "INSERT INTO sale SELECT i, 'C' || i % 50, i % 9 FROM generate_series(0, 4999) AS i",
    "CREATE INDEX of_city ON ONLY sale (lower(city))",
    "CREATE INDEX of_city_1 ON sale_1 (lower(city))",
    "ALTER INDEX of_city ATTACH PARTITION of_city_1",
    "CREATE INDEX of_city_3 ON sale_3 (lower(city))",
    "ALTER INDEX of_city ATTACH PARTITION of_city_3",
    "CREATE INDEX of_day ON ONLY sale (day)",
    "CREATE INDEX of_day_1 ON sale_1 (day)",
    "ALTER INDEX of_day ATTACH PARTITION of_day_1",
    "ALTER TABLE ONLY sale ADD PRIMARY KEY (id)",
    "ALTER TABLE sale_1 ADD PRIMARY KEY (id)",
    "ALTER INDEX sale_pkey ATTACH PARTITION sale_1_pkey",
    "VACUUM ANALYZE sale",
)
STATEMENTS = (
    "SELECT * FROM sale_1 WHERE lower(city) = 'c1'",
    "SELECT * FROM sale_3 WHERE lower(city) = 'c1'",
    "SELECT * FROM sale WHERE lower(city) = 'c1'",
    "SELECT lower(city), count(*) FROM sale GROUP BY 1",
    "SELECT * FROM sale WHERE day = 1",
    "SELECT * FROM sale_1 WHERE day = 1",
    "SELECT * FROM sale WHERE id = $1",
)


@pytest.fixture(scope="module")
def live(any_server: str) -> Iterator[Live]:
    with live_database(any_server, OBJECTS) as database:
        yield database


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    with open_twin(capture(as_role(live.url, live.role), statements=False)) as opened:
        yield opened


def test_its_partitions_are_planned_as_there(live: Live, twin: Twin) -> None:
    assert lacking(twin) == ()
    for statement in STATEMENTS:
        assert twin.obstacle(statement) is None
        assert_same(twin.plan(statement), live.plan(statement))
