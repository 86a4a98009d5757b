"""What a plan answers for other configurations is what those cost when they are planned anew."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from psycopg import sql

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.cost import Configuration, CostModel
from analyzer.advise.price import shaped_and_priced
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import NotExamined
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import Twin, TwinIndex, open_twin
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

SETUP = (
    """CREATE TABLE customer (id integer PRIMARY KEY, email text NOT NULL, city integer NOT NULL, segment integer,
                              area integer GENERATED ALWAYS AS (city) VIRTUAL)""",
    """CREATE TABLE bought (id bigint PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer ON DELETE CASCADE,
                            day date NOT NULL, status integer NOT NULL, amount integer NOT NULL, note text)""",
    "CREATE TABLE event (made date NOT NULL, kind integer NOT NULL, code integer) PARTITION BY RANGE (made)",
    "CREATE TABLE event_old PARTITION OF event FOR VALUES FROM (MINVALUE) TO ('2026-01-01')",
    "CREATE TABLE event_new PARTITION OF event FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)",
    "CREATE FUNCTION is_rare(c customer) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT c.segment = 4'",
    "CREATE TABLE paper (id integer PRIMARY KEY, tenant text NOT NULL, made date NOT NULL, body text)",
    "ALTER TABLE paper ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON paper USING (tenant = current_setting('app.tenant'))",
    """INSERT INTO paper SELECT i, 't' || i % 900, date '2026-01-01' + i % 300, md5(i::text)
       FROM generate_series(1, 40000) AS i""",
    "CREATE VIEW loud AS SELECT id, lower(email) AS address, city FROM customer",
    """INSERT INTO customer SELECT i, CASE WHEN i % 3 = 0 THEN 'A' ELSE 'b' || i END, i % 700, i % 40
       FROM generate_series(1, 30000) AS i""",
    """INSERT INTO bought SELECT i, 1 + i * 17 % 30000, date '2026-01-01' + i / 400, i % 12, i * 31 % 9000, md5(i::text)
       FROM generate_series(1, 120000) AS i""",
    """INSERT INTO event SELECT date '2025-07-01' + i % 400, i % 900, i % 77 FROM generate_series(1, 90000) AS i""",
    "VACUUM ANALYZE",
)
QUERIES = """
    SELECT note FROM bought WHERE status = 3 AND day = '2026-05-01';
    SELECT note FROM bought WHERE amount = 77 OR day = '2026-05-01';
    SELECT * FROM bought WHERE customer_id = 99 AND amount > 8000 AND status = 5;
    SELECT day, amount FROM bought WHERE status = 7 ORDER BY day DESC LIMIT 5;
    SELECT c.email, sum(b.amount) FROM customer AS c JOIN bought AS b ON b.customer_id = c.id
     WHERE c.city = 44 AND b.status = 2 GROUP BY c.email;
    SELECT c.id FROM customer AS c WHERE lower(c.email) = 'a' AND c.segment = 4;
    SELECT address FROM loud WHERE address = 'b77';
    SELECT c.email FROM customer AS c JOIN bought AS b ON b.customer_id = c.id
     WHERE lower(c.email) = 'a' AND b.amount = 9;
    SELECT count(*) FROM event WHERE kind = 8 AND made > '2026-02-01';
    SELECT made FROM event WHERE code = 5 AND kind = 82;
    SELECT status, count(*) FROM bought GROUP BY status;
    SELECT count(*) FROM customer;
    SELECT EXISTS (SELECT FROM bought);
    SELECT * FROM customer WHERE area = 44;
    SELECT * FROM customer AS c WHERE is_rare(c);
    SELECT * FROM paper WHERE body = 'x';
    SELECT * FROM bought NATURAL JOIN (SELECT 3 AS status, date '2026-05-01' AS day) AS wanted;
    UPDATE bought SET status = 0 WHERE day = '2026-03-03' AND status = 4;
    DELETE FROM customer WHERE id = 4
"""
COLUMNS = {
    "bought": (
        "status", "day", "amount", "customer_id", "status day", "day status", "customer_id amount", "status day amount",
        "amount customer_id", "customer_id status amount", "note",
    ),
    "customer": ("city", "segment", "email", "city email", "segment city", "lower(email)", "lower(email) segment"),
    "event": ("kind", "code", "kind code", "made kind"),
    "paper": ("tenant", "made", "tenant made", "body"),
}  # fmt: skip
CONFIGURATIONS = 150


def key(name: str) -> Key:
    return Key(expression=name) if "(" in name else Key(column=name)


def candidates() -> list[IndexDef]:
    # No plan uses it, and every plan with that expression is another one for its statistics.
    swaying = IndexDef(schema="public", table="customer", name="swaying", keys=(key("lower(email)"),), method="brin")
    return [
        swaying,
        *(
            IndexDef(
                schema="public", table=table, name=f"candidate_{table}_{number}", keys=tuple(map(key, keys.split()))
            )
            for table, lists in COLUMNS.items()
            for number, keys in enumerate(lists)
        ),
    ]


@dataclass(frozen=True, slots=True)
class Priced:
    twin: Twin
    statements: Sequence[PricedStatement]
    indexes: Sequence[TwinIndex]

    def costs(self, model: CostModel, configuration: Configuration) -> list[tuple[float, ...]]:
        return [model.costs(item, configuration) for item in self.statements]


@pytest.fixture(scope="module")
def priced(server: str) -> Iterator[Priced]:
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SETUP:
                connection.execute(sql.SQL(statement))
        with open_twin(capture(url, statements=False)) as twin:
            items: list[PricedStatement] = []
            for statement in parse_file(QUERIES).statements:
                _, item = shaped_and_priced(twin, statement)
                assert not isinstance(item, NotExamined), item
                items.append(item)
            yield Priced(twin, items, twin.add(candidates()))


def drawn(indexes: Sequence[TwinIndex]) -> Iterator[Configuration]:
    """Yield nothing, every single index, and some of every size, in no order a plan could count on."""
    chance = random.Random(7)
    found: list[Configuration] = [frozenset(), *(frozenset([index]) for index in indexes)]
    found += [frozenset(chance.sample(indexes, chance.randint(2, len(indexes)))) for _ in range(CONFIGURATIONS // 2)]
    found += [frozenset(chance.sample(indexes, chance.randint(2, 4))) for _ in range(CONFIGURATIONS // 2)]
    chance.shuffle(found)
    return iter(found)


def test_a_reused_answer_is_what_planning_again_gives(priced: Priced) -> None:
    reusing = CostModel(twin=priced.twin, statements=priced.statements, candidates=frozenset(priced.indexes))
    asked = 0
    for configuration in drawn(priced.indexes):
        anew = CostModel(twin=priced.twin, statements=priced.statements)
        assert priced.costs(reusing, configuration) == priced.costs(anew, configuration)
        asked += anew.questions
    assert reusing.questions < asked / 2


@pytest.mark.parametrize("first", ["with", "without"])
def test_an_index_of_a_partitioned_table_is_seen_to_be_used(priced: Priced, first: str) -> None:
    (index,) = (each for each in priced.indexes if each.index.columns == ("code",))
    (item,) = (each for each in priced.statements if "code = 5" in each.generic)
    assert len(index.names) == 3
    alone = frozenset([index])
    model = CostModel(twin=priced.twin, statements=priced.statements, candidates=alone)
    # The plan that is asked for first must not stand for the other one.
    order = (alone, frozenset[TwinIndex]()) if first == "with" else (frozenset[TwinIndex](), alone)
    costs = {configuration: model.cost(item, configuration) for configuration in order}
    assert costs[alone] < costs[frozenset()] / 2
