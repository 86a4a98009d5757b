"""What the services of the `insight` system send."""

from datetime import timedelta

from psycopg.types.json import Jsonb
from sqlalchemy import Text, bindparam, insert, select, update

from analyzer.demo import words
from analyzer.demo.client import Asker
from analyzer.demo.models.insight import (
    SEVERITIES,
    IndustryTemplate,
    MlTrainingJob,
    SentimentAnalysis,
    TrendAnalysis,
)
from analyzer.demo.random_data import CLOCK, key, rank
from analyzer.demo.rows import SALES_REPS
from analyzer.demo.rows_insight import COMPANIES, ENTITIES, KEYWORDS, SERIES
from analyzer.demo.statement import Parameters, StatementSpec

#: Entries that a service collects before it sends them.
_AUDITED = 120


def _entity(ask: Asker) -> Parameters:
    kind, name = ENTITIES[rank(ask.random, len(ENTITIES))]
    return {"entity_type": kind, "entity_name": name}


def _company(ask: Asker) -> Parameters:
    company = rank(ask.random, len(COMPANIES))
    return {
        "entity_name": COMPANIES[company],
        "industry_sector": words.INDUSTRIES[company % len(words.INDUSTRIES)],
    }


def _metric_month(ask: Asker) -> Parameters:
    since = CLOCK - timedelta(days=ask.random.randrange(30, 200))
    return {
        "metric_type": words.METRICS[rank(ask.random, len(words.METRICS), shift=4)],
        "since": since,
        "until": since + timedelta(days=10),
    }


def _series(ask: Asker) -> Parameters:
    service, metric = ask.random.choice(SERIES)
    return {"service": service, "metric": metric}


def _object(ask: Asker) -> Parameters:
    return {
        "object_type": words.AUDITED[rank(ask.random, len(words.AUDITED), shift=3)],
        "object_id": key(ask.random, ask.scale.products, shift=200),
    }


def _days(ask: Asker) -> Parameters:
    since = CLOCK - timedelta(days=ask.random.randrange(30, 200))
    return {"since": since, "until": since + timedelta(days=3)}


def _audited(ask: Asker) -> Parameters:
    return {
        "actor": ask.random.choice(SALES_REPS),
        "actions": [ask.random.choice(words.ACTIONS) for _ in range(_AUDITED)],
        "object_types": [ask.random.choice(words.AUDITED) for _ in range(_AUDITED)],
        "object_ids": [key(ask.random, ask.scale.products, shift=200) for _ in range(_AUDITED)],
        "details": Jsonb({"client": "10.0.0.7"}),
        "at": ask.tick(),
    }


def _text(ask: Asker) -> Parameters:
    return {
        **_entity(ask),
        "source": ask.random.choice(words.SOURCES),
        "excerpt": f"The {ask.noun()} {ask.random.choice(words.VERBS)} the {ask.random.choice(words.PLAIN_WORDS)}.",
        "keywords": ask.random.sample(KEYWORDS, 3),
        "positive": 0.6,
        "negative": 0.1,
        "processing_timestamp": ask.tick(),
    }


STATEMENTS = (
    StatementSpec(
        name="sentiment_of_entity",
        weight=35,
        built=select(SentimentAnalysis.excerpt, SentimentAnalysis.net, SentimentAnalysis.processing_timestamp)
        .where(
            SentimentAnalysis.entity_name == bindparam("entity_name", type_=Text),
            SentimentAnalysis.entity_type == bindparam("entity_type", type_=Text),
        )
        .order_by(SentimentAnalysis.processing_timestamp.desc())
        .limit(20),
        parameters=_entity,
    ),
    StatementSpec(
        name="latest_sentiment",
        weight=30,
        built=select(SentimentAnalysis.id, SentimentAnalysis.entity_name, SentimentAnalysis.excerpt)
        .order_by(SentimentAnalysis.processing_timestamp.desc(), SentimentAnalysis.id.desc())
        .limit(25),
        parameters=lambda _ask: {},
    ),
    StatementSpec(
        name="sentiment_by_keyword",
        weight=35,
        parameters=lambda ask: {"keywords": ask.random.sample(KEYWORDS, 2)},
        prepare=False,
    ),
    StatementSpec(name="benchmark_of_metric", weight=15, parameters=_metric_month),
    StatementSpec(name="benchmark_of_company", weight=15, parameters=_company),
    StatementSpec(
        name="metric_series",
        weight=20,
        parameters=lambda ask: {**_series(ask), "since": CLOCK - timedelta(hours=ask.random.randrange(1, 3))},
    ),
    StatementSpec(name="open_alerts", weight=15, parameters=lambda ask: {"severity": ask.random.choice(SEVERITIES)}),
    StatementSpec(
        name="trends_of_company",
        weight=10,
        built=select(TrendAnalysis)
        .where(
            TrendAnalysis.entity_name == bindparam("entity_name", type_=Text),
            TrendAnalysis.metric_type == bindparam("metric_type", type_=Text),
        )
        .order_by(TrendAnalysis.period_end.desc())
        .limit(6),
        parameters=lambda ask: {
            "entity_name": COMPANIES[rank(ask.random, len(COMPANIES))],
            "metric_type": words.METRICS[rank(ask.random, len(words.METRICS), shift=4)],
        },
    ),
    StatementSpec(
        name="trainings_of_type",
        weight=10,
        built=select(MlTrainingJob.id, MlTrainingJob.accuracy, MlTrainingJob.seconds, MlTrainingJob.created_at)
        .where(
            MlTrainingJob.model_type == bindparam("model_type", type_=Text),
            MlTrainingJob.status == bindparam("status", type_=Text),
        )
        .order_by(MlTrainingJob.created_at.desc())
        .limit(10),
        parameters=lambda ask: {"model_type": ask.random.choice(words.MODEL_TYPES), "status": "succeeded"},
    ),
    StatementSpec(
        name="templates_of_sector",
        weight=15,
        built=select(IndustryTemplate.id, IndustryTemplate.title, IndustryTemplate.rating)
        .where(IndustryTemplate.industry_sector == bindparam("industry_sector", type_=Text))
        .order_by(IndustryTemplate.rating.desc().nulls_last(), IndustryTemplate.usage_count.desc())
        .limit(10),
        parameters=lambda ask: {"industry_sector": ask.random.choice(words.INDUSTRIES)},
    ),
    StatementSpec(name="audit_of_period", weight=10, parameters=_days),
    StatementSpec(name="audit_of_object", weight=15, parameters=_object),
    StatementSpec(name="record_audit", weight=40, kind="write", parameters=_audited),
    StatementSpec(name="record_sentiment", weight=15, kind="write", built=insert(SentimentAnalysis), parameters=_text),
    StatementSpec(
        name="measure",
        weight=20,
        kind="write",
        parameters=lambda ask: {**_series(ask), "at": CLOCK, "value": ask.random.randrange(1, 100)},
    ),
    StatementSpec(
        name="use_template",
        weight=10,
        kind="write",
        built=update(IndustryTemplate)
        .where(IndustryTemplate.id == bindparam("template_id"))
        .values(usage_count=IndustryTemplate.usage_count + 1),
        parameters=lambda ask: {"template_id": key(ask.random, ask.scale.templates)},
    ),
)
