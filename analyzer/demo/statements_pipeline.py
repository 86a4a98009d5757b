"""What the agents of the `pipeline` system send."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Text, bindparam, select

from analyzer.demo import words
from analyzer.demo.client import Asker
from analyzer.demo.models.pipeline import Run
from analyzer.demo.random_data import CLOCK, key, rank
from analyzer.demo.rows import LABELS, SALES_REPS
from analyzer.demo.rows_insight import ENTITIES
from analyzer.demo.statement import Parameters, StatementSpec

#: Rows of one batch of the agents.
_BATCH = 50


def _products(ask: Asker) -> list[int]:
    return [key(ask.random, ask.scale.products, shift=200) for _ in range(_BATCH)]


def _running(ask: Asker) -> int:
    return ask.scale.runs - ask.random.randrange(8)


def _predictions(ask: Asker) -> Parameters:
    return {
        "run_id": _running(ask),
        "product_ids": _products(ask),
        "labels": [ask.random.choice(LABELS) for _ in range(_BATCH)],
        "confidences": [round(ask.random.random(), 4) for _ in range(_BATCH)],
        "at": ask.tick(),
    }


def _entities(ask: Asker) -> Parameters:
    kind = ENTITIES[rank(ask.random, len(ENTITIES))][0]
    names = [name for each, name in ENTITIES if each == kind]
    return {"entity_type": kind, "entity_names": ask.random.sample(names, 5)}


STATEMENTS = (
    StatementSpec(
        name="latest_runs",
        weight=10,
        built=select(Run).where(Run.agent == bindparam("agent", type_=Text)).order_by(Run.started_at.desc()).limit(10),
        parameters=lambda ask: {"agent": ask.random.choice(words.AGENTS)},
    ),
    StatementSpec(
        name="run_report", weight=10, parameters=lambda ask: {"run_id": ask.random.randrange(1, ask.scale.runs)}
    ),
    StatementSpec(
        name="batch_fetch",
        weight=10,
        parameters=lambda ask: {"id": ask.random.randrange(ask.scale.products - 200)},
    ),
    StatementSpec(
        name="unclassified",
        weight=8,
        parameters=lambda ask: {"id": ask.random.randrange(ask.scale.products // 2)},
    ),
    StatementSpec(
        name="turnover",
        weight=8,
        parameters=lambda ask: {"since": CLOCK - timedelta(days=365), "sales_rep": ask.random.choice(SALES_REPS)},
    ),
    StatementSpec(name="entity_sentiment", weight=8, parameters=_entities),
    StatementSpec(
        name="claim_work",
        weight=25,
        kind="write",
        parameters=lambda ask: {"run_id": _running(ask), "task": ask.random.choice(words.TASKS), "at": ask.tick()},
    ),
    StatementSpec(name="finish_work", weight=10, kind="write", parameters=lambda ask: {"run_id": _running(ask)}),
    StatementSpec(
        name="enqueue",
        weight=8,
        kind="write",
        parameters=lambda ask: {
            "task": ask.random.choice(words.TASKS),
            "product_ids": _products(ask),
            "priority": ask.random.choice((50, 100)),
            "at": ask.tick(),
        },
    ),
    StatementSpec(name="batch_predict", weight=8, kind="write", parameters=_predictions),
    StatementSpec(
        name="batch_apply",
        weight=8,
        kind="write",
        parameters=lambda ask: {"run_id": _running(ask), "margin": Decimal("0.5"), "at": ask.tick()},
    ),
)
