"""What the services of the `intelligence` system send."""

from datetime import datetime, timedelta
from decimal import Decimal

from psycopg.types.json import Jsonb
from sqlalchemy import Integer, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from analyzer.demo import words
from analyzer.demo.client import Asker
from analyzer.demo.models.intelligence import (
    DEPARTMENTS,
    ROLES,
    SCORE_TYPES,
    CustomerScore,
    TenantCustomer,
)
from analyzer.demo.random_data import CLOCK, key, rank
from analyzer.demo.rows_intelligence import TENANTS, address, tenant_of
from analyzer.demo.statement import Parameters, StatementSpec


def _customer(ask: Asker) -> int:
    return key(ask.random, ask.scale.tenant_customers)


def _recently(ask: Asker, *, hours: int) -> datetime:
    return CLOCK - timedelta(hours=ask.random.randrange(1, hours))


def _department(ask: Asker) -> str:
    return DEPARTMENTS[rank(ask.random, len(DEPARTMENTS), shift=3)]


def _address(ask: Asker) -> Parameters:
    customer = _customer(ask) // 5 * 5 + 3
    return {"email": address(min(customer, ask.scale.tenant_customers - 1))}


def _minutes(ask: Asker) -> Parameters:
    until = _recently(ask, hours=400)
    return {"since": until - timedelta(minutes=10), "until": until}


def _at_risk(ask: Asker) -> Parameters:
    return {
        "tenant_id": ask.random.randrange(1, TENANTS + 1),
        "status": ask.random.choice(("active", "paused")),
        "department": _department(ask),
        "score": Decimal("0.8"),
    }


def _sign_up(ask: Asker) -> Parameters:
    return {
        "tenant_id": ask.random.randrange(1, TENANTS + 1),
        "reference": ask.remember("sign_up", "NEW"),
        "department": _department(ask),
        "full_name": f"{ask.random.choice(words.FIRST_NAMES)} {ask.random.choice(words.LAST_NAMES)}",
        "created_at": ask.tick(),
    }


_SIGN_UP = upsert(TenantCustomer).values(
    {name: bindparam(name) for name in ("tenant_id", "reference", "department", "full_name", "created_at")}
)

STATEMENTS = (
    StatementSpec(
        name="customers_of_department",
        weight=50,
        built=select(TenantCustomer.id, TenantCustomer.full_name, TenantCustomer.tenant_id, TenantCustomer.created_at)
        .where(
            TenantCustomer.department == bindparam("department", type_=Text),
            TenantCustomer.status == bindparam("status", type_=Text),
        )
        .order_by(TenantCustomer.created_at.desc())
        .limit(40),
        parameters=lambda ask: {
            "department": _department(ask),
            "status": ask.random.choice(("prospect", "trial", "paused")),
        },
    ),
    StatementSpec(
        name="customers_of_tenant",
        weight=25,
        built=select(TenantCustomer)
        .where(
            TenantCustomer.tenant_id == bindparam("tenant_id", type_=Integer),
            TenantCustomer.status == bindparam("status", type_=Text),
            TenantCustomer.department.in_(("sales", "support")),
        )
        .limit(50),
        parameters=lambda ask: {"tenant_id": tenant_of(_customer(ask)), "status": "trial"},
    ),
    StatementSpec(
        name="customer_by_address",
        weight=40,
        built=select(TenantCustomer).where(TenantCustomer.email == bindparam("email", type_=Text)),
        parameters=_address,
    ),
    StatementSpec(
        name="customers_by_trait",
        weight=8,
        parameters=lambda ask: {
            "traits": Jsonb({"contract": {"years": ask.random.randrange(1, 5)}, "language": "fr", "segments": ["navy"]})
        },
        prepare=False,
    ),
    StatementSpec(
        name="conversation",
        weight=60,
        parameters=lambda ask: {"customer_id": _customer(ask), "since": CLOCK - timedelta(days=60)},
    ),
    StatementSpec(
        name="conversation_earlier",
        weight=15,
        parameters=lambda ask: {"customer_id": _customer(ask), "before": _recently(ask, hours=4_000)},
    ),
    StatementSpec(name="recent_messages", weight=20, parameters=_minutes),
    StatementSpec(name="latest_scores", weight=50, parameters=lambda ask: {"customer_id": _customer(ask)}),
    StatementSpec(
        name="score_history",
        weight=20,
        built=select(
            func.date_trunc("month", CustomerScore.created_at).label("month"),
            func.avg(CustomerScore.score),
            func.count(),
        )
        .where(
            CustomerScore.customer_id == bindparam("customer_id"),
            CustomerScore.score_type == bindparam("score_type", type_=Text),
            CustomerScore.created_at >= bindparam("since"),
        )
        .group_by("month"),
        parameters=lambda ask: {
            "customer_id": _customer(ask),
            "score_type": ask.random.choice(SCORE_TYPES),
            "since": CLOCK - timedelta(days=365),
        },
    ),
    StatementSpec(
        name="strong_scores",
        weight=35,
        parameters=lambda ask: {"score": Decimal(9_600 + ask.random.randrange(300)).scaleb(-4)},
    ),
    StatementSpec(name="customers_at_risk", weight=12, parameters=_at_risk),
    StatementSpec(
        name="tenant_overview",
        weight=8,
        parameters=lambda ask: {"tenant_id": ask.random.randrange(20, TENANTS), "department": _department(ask)},
    ),
    StatementSpec(
        name="add_message",
        weight=35,
        kind="write",
        parameters=lambda ask: {
            "customer_id": _customer(ask),
            "at": ask.tick(),
            "role": ask.random.choice(ROLES[:2]),
            "content": f"{ask.random.choice(words.ADJECTIVES)} {ask.noun()}?",
        },
    ),
    StatementSpec(
        name="add_score",
        weight=25,
        kind="write",
        built=insert(CustomerScore),
        parameters=lambda ask: {
            "customer_id": _customer(ask),
            "score_type": ask.random.choice(SCORE_TYPES),
            "score": round(ask.random.random(), 4),
            "confidence": round(0.5 + ask.random.random() / 2, 4),
            "created_at": ask.tick(),
        },
    ),
    StatementSpec(
        name="sign_up",
        weight=12,
        kind="write",
        built=_SIGN_UP.on_conflict_do_nothing(index_elements=[TenantCustomer.reference]),
        parameters=_sign_up,
    ),
    StatementSpec(
        name="forget_customer",
        weight=10,
        kind="write",
        parameters=lambda ask: {"reference": ask.recall("sign_up")},
        undoes="sign_up",
    ),
    StatementSpec(
        name="change_status",
        weight=10,
        kind="write",
        built=update(TenantCustomer)
        .where(TenantCustomer.id == bindparam("customer_id"))
        .values(status=bindparam("new_status", type_=Text), updated_at=bindparam("at")),
        parameters=lambda ask: {
            "customer_id": _customer(ask),
            "new_status": ask.random.choice(("active", "paused", "trial")),
            "at": ask.tick(),
        },
    ),
)
