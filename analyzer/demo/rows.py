"""The rows of the reference platform: one generator a table, the same rows for the same seed.

Keys are 1 … n in order, and what others look a row up by (sku, e-mail, hash) is a function of its key.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from analyzer.demo.models.catalog import DOCUMENT_KINDS, LIFECYCLE_STAGES, SEGMENTS
from analyzer.demo.random_data import CLOCK, Embedder, created_at, key, rank, strewn
from analyzer.demo.words import (
    ADJECTIVES,
    BRANDS,
    CATEGORIES,
    CERTIFICATIONS,
    COLORS,
    COMPANY_ENDINGS,
    COMPANY_STEMS,
    FIRST_NAMES,
    INDUSTRIES,
    JOB_TITLES,
    LAST_NAMES,
    LOST_REASONS,
    MATERIALS,
    MODELS,
    NOUNS,
    PLACES,
    PLAIN_WORDS,
    TAGS,
    VERBS,
)

Row = tuple[Any, ...]

SALES_REPS = tuple(f"{first.lower()}.{last.lower()}" for first in FIRST_NAMES[:16] for last in LAST_NAMES[:15])
#: Label of a classification: the category and the thing.
LABELS = tuple(f"{category}/{noun}" for category, nouns in NOUNS.items() for noun in nouns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many rows each table has, and how many of them carry an embedding."""

    vendors: int
    companies: int
    customers: int
    products: int
    quotes: int
    documents: int
    classifications: int
    cached: int
    embedded_products: int
    embedded_documents: int
    embedded_cached: int
    tenant_customers: int
    scores: int
    messages: int
    sentiments: int
    benchmarks: int
    metrics: int
    alerts: int
    trends: int
    training_jobs: int
    templates: int
    audited: int
    runs: int
    work_items: int
    outputs: int


FULL = Scale(
    vendors=5_000,
    companies=20_000,
    customers=60_000,
    products=200_000,
    quotes=250_000,
    documents=8_000,
    classifications=200_000,
    cached=20_000,
    embedded_products=2_000,
    embedded_documents=3_000,
    embedded_cached=20_000,
    tenant_customers=100_000,
    scores=1_000_000,
    messages=1_000_000,
    sentiments=150_000,
    benchmarks=60_000,
    metrics=96_000,
    alerts=20_000,
    trends=20_000,
    training_jobs=5_000,
    templates=3_000,
    audited=100_000,
    runs=2_000,
    work_items=60_000,
    outputs=80_000,
)
FAST = Scale(
    vendors=1_000,
    companies=4_000,
    customers=12_000,
    products=30_000,
    quotes=60_000,
    documents=1_500,
    classifications=50_000,
    cached=2_500,
    embedded_products=100,
    embedded_documents=200,
    embedded_cached=1_700,
    tenant_customers=15_000,
    scores=60_000,
    messages=40_000,
    sentiments=20_000,
    benchmarks=8_000,
    metrics=9_600,
    alerts=3_000,
    trends=3_000,
    training_jobs=2_000,
    templates=1_500,
    audited=36_000,
    runs=500,
    work_items=10_000,
    outputs=10_000,
)


def sku(product: int) -> str:
    """Return the article number of a product."""
    return f"{CATEGORIES[strewn(product, len(CATEGORIES))][:3].upper()}-{product:07d}"


def email(customer: int) -> str:
    """Return the e-mail address of a customer; people type it in any case."""
    first = FIRST_NAMES[strewn(customer, len(FIRST_NAMES))]
    last = LAST_NAMES[strewn(customer // 3, len(LAST_NAMES))]
    return f"{first}.{last}.{customer}@example.com"


def content_hash(entry: int) -> str:
    """Return the key under which a classification is cached."""
    return f"{strewn(entry, 1 << 32):08x}{strewn(entry + 1, 1 << 32):08x}{entry:016x}"


def company_of(customer: int, scale: Scale) -> int | None:
    """Return the company of a customer; every fourth buys as a private person."""
    return None if customer % 4 == 0 else strewn(customer // 2, scale.companies) + 1


def product_name(random: Random, noun: str) -> str:
    """Name a product as its vendor would."""
    code = f"{random.choice('ABCDEFGHKLMNPRSTVX')}{random.randrange(100, 9_999)}"
    return f"{random.choice(ADJECTIVES)} {random.choice(MATERIALS)} {noun} {code}".title()


def sentences(random: Random, count: int) -> str:
    """Write sentences that read like a datasheet from afar."""
    return " ".join(
        f"The {random.choice(ADJECTIVES)} {random.choice(PLAIN_WORDS)} {random.choice(VERBS)} "
        f"the {random.choice(PLAIN_WORDS)} and its {random.choice(MATERIALS)} {random.choice(PLAIN_WORDS)}."
        for _ in range(count)
    )


def _array(values: list[str]) -> str:
    return "{" + ",".join(f'"{value}"' for value in values) + "}"


def _some(random: Random, words: tuple[str, ...], most: int) -> list[str]:
    return sorted({words[rank(random, len(words), shift=3)] for _ in range(random.randrange(most + 1))})


def _cents(random: Random, middle: float) -> Decimal:
    return Decimal(int(100 * random.lognormvariate(0, 0.9) * middle) + 99).scaleb(-2)


def vendors(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[Row]:
    """Vendors: near the cities of the word list, a tenth inactive, half never audited."""
    for number in range(1, scale.vendors + 1):
        country, region, city, latitude, longitude = PLACES[rank(random, len(PLACES), shift=4)]
        name = f"{random.choice(COMPANY_STEMS)} {random.choice(MATERIALS).title()} {random.choice(COMPANY_ENDINGS)}"
        made = created_at(number, scale.vendors, days=2_400)
        active = random.random() < 0.9
        profile: dict[str, object] = {"tier": random.choice("ABBCCC"), "lead_days": random.randrange(1, 60)}
        if random.random() < 0.3:
            profile["terms"] = {"incoterm": random.choice(("EXW", "DDP", "FOB")), "net_days": random.choice((14, 30))}
        yield (
            *(number, name, f"vendor-{number}", "approved" if random.random() < 0.85 else "applied"),
            *(country, region, city),
            *(latitude + random.gauss(0, 0.8), longitude + random.gauss(0, 0.8)),
            None if random.random() < 0.1 else round(min(5.0, max(1.0, random.gauss(3.9, 0.6))), 2),
            int(random.lognormvariate(3, 1.5)),
            None if random.random() < 0.2 else round(min(1.0, random.gauss(0.93, 0.05)), 3),
            None if random.random() < 0.4 else round(abs(random.gauss(0.01, 0.01)), 4),
            *(_array(_some(random, CATEGORIES, 4)), _array(_some(random, CERTIFICATIONS, 3)), json.dumps(profile)),
            made + timedelta(days=9),
            made + timedelta(days=30) if random.random() < 0.5 else None,
            *(active, made, made, None if active else made + timedelta(days=60)),
        )


def companies(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[Row]:
    """Companies: a few large, many small; revenue and founding year often unknown."""
    for number in range(1, scale.companies + 1):
        country, region, *_rest = PLACES[rank(random, len(PLACES), shift=4)]
        stem, ending = random.choice(COMPANY_STEMS), random.choice(COMPANY_ENDINGS)
        name = f"{stem} {random.choice(LAST_NAMES)} {ending}"
        made = created_at(number, scale.companies, days=2_000)
        employees = int(random.lognormvariate(3.5, 1.7)) + 1
        facts: dict[str, object] = {"size": "large" if employees > 250 else "small"}
        if random.random() < 0.4:
            facts["technologies"] = _some(random, MODELS, 3)
        if random.random() < 0.25:
            facts["parent"] = {"name": f"{stem} Holding", "country": country}
        active = random.random() < 0.94
        yield (
            *(number, name, f"{name} Ltd" if random.random() < 0.6 else None, f"{stem.lower()}-{number}.example"),
            *(INDUSTRIES[rank(random, len(INDUSTRIES), shift=3)], country, region, employees),
            None if random.random() < 0.35 else _cents(random, employees * 90_000),
            None if random.random() < 0.5 else random.randrange(1950, 2026),
            *(_array(_some(random, TAGS, 3)), json.dumps(facts)),
            *(active, made, made, None if active else made + timedelta(days=100)),
        )


def customers(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[Row]:
    """Customers: most are leads, value is concentrated in few."""
    for number in range(1, scale.customers + 1):
        address = email(number)
        first, last, *_rest = address.split(".")
        company = company_of(number, scale)
        made = created_at(number, scale.customers, days=1_600)
        stage = LIFECYCLE_STAGES[rank(random, len(LIFECYCLE_STAGES), shift=2)]
        bought = stage in {"customer", "dormant", "churned"}
        wishes: dict[str, object] = {"channel": random.choice(("email", "phone", "portal"))}
        if random.random() < 0.3:
            wishes["categories"] = _some(random, CATEGORIES, 3)
        active = stage != "churned" and random.random() < 0.97
        yield (
            *(number, company, address, first, last),
            f"+49 {random.randrange(10**9, 10**10)}" if random.random() < 0.4 else None,
            random.choice(JOB_TITLES) if company else None,
            "consumer" if company is None else SEGMENTS[1 + rank(random, 4, shift=2)],
            *(stage, _cents(random, 900) if bought else 0, random.randrange(1, 40) if bought else 0),
            None if random.random() < 0.25 else round(min(100.0, random.expovariate(0.05)), 2),
            *(random.random() < 0.3, json.dumps(wishes), _array(_some(random, TAGS, 2))),
            made + (CLOCK - made) * random.random() if random.random() < 0.6 else None,
            *(active, made, made, None if active else CLOCK - (CLOCK - made) * random.random()),
        )


def products(random: Random, scale: Scale, embedder: Embedder) -> Iterator[Row]:
    """Products: skewed over vendors, brands and subcategories; the last few, in the shop window, have an embedding."""
    for number in range(1, scale.products + 1):
        category = CATEGORIES[rank(random, len(CATEGORIES), shift=6)]
        noun = NOUNS[category][rank(random, len(NOUNS[category]), shift=4)]
        price = _cents(random, 60)
        made = created_at(number, scale.products, days=1_800)
        active = random.random() < 0.82
        gone = not active and random.random() < 0.5
        windowed = number > scale.products - scale.embedded_products
        yield (
            *(number, key(random, scale.vendors), sku(number), product_name(random, noun)),
            None if random.random() < 0.3 else sentences(random, random.randrange(1, 4)),
            *(category, noun, f"{{{CATEGORIES.index(category)},{100 + LABELS.index(f'{category}/{noun}')}}}"),
            "discontinued" if gone else "active" if active else "draft",
            *(price, None if random.random() < 0.2 else round(price * Decimal("0.62"), 2), "EUR"),
            0 if random.random() < 0.04 else int(random.lognormvariate(4, 1)) + 3,
            None if random.random() < 0.4 else round(min(5.0, random.gauss(4, 0.6)), 2),
            *(
                int(random.lognormvariate(2, 1.4)),
                json.dumps(_attributes(random, noun)),
                _array(_some(random, TAGS, 4)),
            ),
            embedder.near(random, LABELS.index(f"{category}/{noun}")).to_text() if windowed else None,
            *(made + timedelta(days=3) if gone else None, active, made),
            *(CLOCK - (CLOCK - made) * random.random() ** 2, made + timedelta(days=3) if gone else None),
        )


def _attributes(random: Random, noun: str) -> dict[str, object]:
    attributes: dict[str, object] = {
        "brand": BRANDS[rank(random, len(BRANDS), shift=5)],
        "color": COLORS[rank(random, len(COLORS), shift=4)],
        "material": random.choice(MATERIALS),
    }
    chance = random.random()
    if chance < 0.5:
        attributes["dimensions"] = {"width": random.randrange(5, 200), "height": random.randrange(5, 200)}
    if chance < 0.3:
        attributes["power"] = {"voltage": random.choice((12, 24, 110, 230)), "watts": random.randrange(5, 2_000)}
    if chance > 0.8:
        attributes["certified"] = _some(random, CERTIFICATIONS, 3)
    if chance > 0.95:
        attributes["bundle"] = [{"item": noun, "count": random.randrange(2, 12)}]
    return attributes


def quotes(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[Row]:
    """Quotes: the old ones are closed, a twentieth of all is open; few customers, products and people make the most."""
    for number in range(1, scale.quotes + 1):
        customer = key(random, scale.customers)
        made = created_at(number, scale.quotes, days=1_400)
        is_open = number > scale.quotes * 0.95 or random.random() < 0.005
        status = random.choice(("draft", "sent", "sent", "negotiation")) if is_open else _outcome(random)
        quantity = int(random.lognormvariate(1.5, 1.2)) + 1
        price = _cents(random, 60)
        discount = random.choice((0, 0, 0, 5, 10, 15))
        terms: dict[str, object] = {"net_days": random.choice((14, 30, 60))}
        if random.random() < 0.2:
            terms["delivery"] = random.choice(("collect", "truck", "air"))
        yield (
            *(number, customer, company_of(customer, scale), key(random, scale.products, shift=200)),
            *(SALES_REPS[rank(random, len(SALES_REPS), shift=40)], status, quantity, price, discount),
            round(price * quantity * (100 - discount) / 100, 2),
            round(random.random(), 3) if is_open else 1 if status == "won" else 0,
            json.dumps(terms),
            (made + timedelta(days=45)).date() if random.random() < 0.8 else None,
            made + timedelta(days=1) if status != "draft" else None,
            None if is_open else made + timedelta(days=random.randrange(2, 40)),
            random.choice(LOST_REASONS) if status == "lost" else None,
            *(made, made + timedelta(days=2), None),
        )


def _outcome(random: Random) -> str:
    return random.choices(("won", "lost", "expired"), cum_weights=(35, 75, 100))[0]


def documents(random: Random, scale: Scale, embedder: Embedder) -> Iterator[Row]:
    """Documents: wide texts, two thirds about a product, the newer ones embedded."""
    for number in range(1, scale.documents + 1):
        label = random.randrange(len(LABELS))
        noun = LABELS[label].split("/")[1]
        product = key(random, scale.products) if random.random() < 0.66 else None
        made = created_at(number, scale.documents, days=1_200)
        kind = DOCUMENT_KINDS[rank(random, len(DOCUMENT_KINDS), shift=2)]
        details: dict[str, object] = {"pages": random.randrange(1, 90), "source": random.choice(("upload", "crawl"))}
        if kind == "certificate":
            details["standard"] = random.choice(CERTIFICATIONS)
        yield (
            *(number, product, None if product else key(random, scale.vendors), kind),
            f"{kind.title()} {product_name(random, noun)}",
            sentences(random, random.randrange(6, 20)),
            *("en" if random.random() < 0.9 else "de", details),
            embedder.near(random, label) if number > scale.documents - scale.embedded_documents else None,
            made + timedelta(days=730) if kind == "certificate" else None,
            *(made, made, None),
        )


def classifications(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[Row]:
    """Predictions: sure in most cases; one in forty waits for a person."""
    for number in range(1, scale.classifications + 1):
        made = created_at(number, scale.classifications, days=400)
        confidence = round(1 - min(0.9999, random.expovariate(9)), 4)
        waiting = random.random() < 0.025
        reviewed = not waiting and random.random() < 0.05
        yield (
            *(number, key(random, scale.products, shift=200), MODELS[rank(random, len(MODELS), shift=2)]),
            *(f"{random.randrange(1, 4)}.{random.randrange(6)}", LABELS[rank(random, len(LABELS), shift=10)]),
            *(_array(_some(random, LABELS, 3)), confidence),
            json.dumps({"tokens": random.randrange(8, 400), "top": round(confidence, 2)}),
            *(int(random.lognormvariate(3.5, 0.7)) if random.random() < 0.8 else None, waiting),
            random.choice(SALES_REPS) if reviewed else None,
            *(made + timedelta(hours=5) if reviewed else None, made),
        )


def cached(random: Random, scale: Scale, embedder: Embedder) -> Iterator[Row]:
    """Cached answers: hits follow Zipf, three quarters embedded."""
    for number in range(1, scale.cached + 1):
        label = random.randrange(len(LABELS))
        made = created_at(number, scale.cached, days=90)
        hits = int(scale.cached / (1 + strewn(number, scale.cached)))
        yield (
            *(number, content_hash(number), product_name(random, LABELS[label].split("/")[1])),
            *(MODELS[rank(random, len(MODELS), shift=2)], LABELS[label]),
            Decimal(10_000 - int(random.expovariate(0.001)) % 9_000).scaleb(-4),
            {"label": LABELS[label], "tokens": random.randrange(8, 60)},
            embedder.near(random, label) if number > scale.cached - scale.embedded_cached else None,
            *(hits, made + (CLOCK - made) * random.random() if hits else None),
            *(made + timedelta(days=120) if random.random() < 0.7 else None, made),
        )
