"""The rows of the `insight` system: lines of COPY, the same for the same seed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from analyzer.demo.copy_format import line, listed
from analyzer.demo.models.insight import DIRECTIONS, SEVERITIES
from analyzer.demo.random_data import CLOCK, Embedder, created_at, key, rank
from analyzer.demo.rows import SALES_REPS, Scale, sentences
from analyzer.demo.words import (
    ACTIONS,
    ADJECTIVES,
    AUDITED,
    BRANDS,
    COMPANY_ENDINGS,
    COMPANY_STEMS,
    INDUSTRIES,
    MATERIALS,
    METRICS,
    MODEL_TYPES,
    NOUNS,
    PLAIN_WORDS,
    SERVICE_METRICS,
    SERVICES,
    SOURCES,
)

COMPANIES = tuple(f"{stem} {ending}" for stem in COMPANY_STEMS for ending in COMPANY_ENDINGS)
#: Type and name of what texts speak about, the most spoken about first.
ENTITIES = (
    *(("brand", brand) for brand in BRANDS),
    *(("company", company) for company in COMPANIES),
    *(("product", f"{adjective} {noun}") for adjective in ADJECTIVES for nouns in NOUNS.values() for noun in nouns),
    *(("vendor", f"{stem} {material}") for stem in COMPANY_STEMS for material in MATERIALS),
)
KEYWORDS = (*PLAIN_WORDS, *MATERIALS, *ADJECTIVES, *(noun for nouns in NOUNS.values() for noun in nouns))
#: One series of measurements for each service and metric.
SERIES = tuple((service, metric) for service in SERVICES for metric in SERVICE_METRICS)


def sentiments(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Texts about entities: few are spoken about much; each has a handful of key words."""
    texts = [sentences(random, 1 + rank(random, 3, shift=2)) for _ in range(1_000)]
    for number in range(1, scale.sentiments + 1):
        kind, name = ENTITIES[rank(random, len(ENTITIES))]
        positive = random.random()
        made = created_at(number, scale.sentiments, days=500)
        words = listed(sorted({random.choice(KEYWORDS) for _ in range(random.randrange(2, 7))}))
        yield (
            f"{number}\t{name}\t{kind}\t{random.choice(SOURCES)}\t{random.choice(texts)}\t{words}\t"
            f"{positive:.3f}\t{(1 - positive) * random.random():.3f}\t{made}\n"
        )


def benchmarks(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Figures of companies; a company stays in its sector."""
    details = [json.dumps(_details(random)) for _ in range(200)]
    for number in range(1, scale.benchmarks + 1):
        company = rank(random, len(COMPANIES))
        yield line(
            *(number, COMPANIES[company], INDUSTRIES[company % len(INDUSTRIES)]),
            *(METRICS[rank(random, len(METRICS), shift=4)], f"{random.lognormvariate(3, 1):.4f}"),
            *(random.randrange(5, 900), random.choice(details), created_at(number, scale.benchmarks, days=800)),
        )


def _details(random: Random) -> dict[str, object]:
    details: dict[str, object] = {"method": random.choice(("survey", "filing", "panel"))}
    if random.random() < 0.5:
        details["interval"] = [round(random.random(), 2), round(1 + random.random(), 2)]
    return details


def comparisons(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Comparisons: one for every figure, with its sector or with companies of its size."""
    for number in range(1, scale.benchmarks + 1):
        own = random.lognormvariate(3, 1)
        peers = own * random.lognormvariate(0, 0.3)
        yield line(
            *(number, number, random.choice(("sector", "sector", "size", "region")), f"{own:.4f}", f"{peers:.4f}"),
            *(f"{100 * random.random():.2f}", created_at(number, scale.benchmarks, days=800) + timedelta(hours=3)),
        )


def metrics(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Measurements: every series once a minute, up to the platform's now."""
    for number in range(scale.metrics):
        minute, series = divmod(number, len(SERIES))
        service, metric = SERIES[series]
        at = CLOCK - timedelta(minutes=scale.metrics // len(SERIES) - minute)
        yield line(service, metric, at, f"{random.lognormvariate(4, 1):.3f}", random.randrange(1, 60))


def alerts(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Alerts: few are open, most of those new."""
    for number in range(1, scale.alerts + 1):
        service, metric = SERIES[rank(random, len(SERIES), shift=6)]
        made = created_at(number, scale.alerts, days=300)
        is_open = number > 0.99 * scale.alerts or random.random() < 0.002
        threshold = random.randrange(50, 500)
        yield line(
            *(number, service, metric, SEVERITIES[rank(random, 3, shift=1)], threshold),
            *(f"{threshold * (1 + random.random()):.2f}", made),
            random.choice(SALES_REPS) if random.random() < 0.4 else None,
            None if is_open else made + timedelta(hours=random.randrange(1, 90)),
        )


def trends(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Trends: thirty days each, of companies and their figures."""
    for number in range(1, scale.trends + 1):
        start = created_at(number, scale.trends, days=700) - timedelta(days=30)
        direction = rank(random, 3, shift=2)
        yield line(
            *(number, COMPANIES[rank(random, len(COMPANIES))], METRICS[rank(random, len(METRICS), shift=4)]),
            *(start, start + timedelta(days=30), DIRECTIONS[direction], f"{(direction - 1) * random.random():.4f}"),
            f"{random.random():.3f}",
        )


def training_jobs(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Trainings: nearly all ended, one in ten badly."""
    for number in range(1, scale.training_jobs + 1):
        made = created_at(number, scale.training_jobs, days=600)
        settings = {"rate": random.choice((0.1, 0.03, 0.01)), "layers": random.randrange(2, 24)}
        status = "queued" if number > scale.training_jobs - 12 else "failed" if random.random() < 0.1 else "succeeded"
        ended = status != "queued"
        yield line(
            *(number, MODEL_TYPES[rank(random, len(MODEL_TYPES), shift=2)], status, json.dumps(settings)),
            *(f"{0.6 + 0.39 * random.random():.4f}" if status == "succeeded" else None, made),
            made + timedelta(minutes=4) if ended else None,
            made + timedelta(minutes=5 + random.randrange(600)) if ended else None,
        )


def templates(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Templates: some are used all the time, a third is not rated."""
    for number in range(1, scale.templates + 1):
        layout = {"columns": random.randrange(1, 5), "widgets": random.sample(METRICS, 4)}
        yield line(
            *(number, random.choice(INDUSTRIES), f"{random.choice(ADJECTIVES)} dashboard {number}".title()),
            None if random.random() < 0.33 else f"{min(5.0, random.gauss(3.8, 0.6)):.2f}",
            *(rank(random, 5_000), json.dumps(layout)),
        )


def audited(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Audit entries: wide, for each holds the object before and after."""
    details = [json.dumps(_change(random)) for _ in range(300)]
    actors = (*SALES_REPS, *(f"agent-{number}" for number in range(20)))
    for number in range(1, scale.audited + 1):
        kind, action = rank(random, len(AUDITED), shift=3), ACTIONS[rank(random, len(ACTIONS), shift=2)]
        yield (
            f"{number}\t{actors[rank(random, len(actors))]}\t{action}\t{AUDITED[kind]}\t"
            f"{key(random, scale.products, shift=200)}\t{random.choice(details)}\t"
            f"{created_at(number, scale.audited, days=365)}\n"
        )


def _change(random: Random) -> dict[str, object]:
    def version() -> dict[str, object]:
        return {word: " ".join(random.choices(PLAIN_WORDS, k=5)) for word in random.sample(MATERIALS, 7)}

    return {"before": version(), "after": version(), "client": f"10.{random.randrange(9)}.{random.randrange(250)}.7"}
