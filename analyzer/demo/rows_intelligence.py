"""The rows of the `intelligence` system: lines of COPY, the same for the same seed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from analyzer.demo.copy_format import line
from analyzer.demo.models.intelligence import CUSTOMER_STATUSES, DEPARTMENTS, ROLES, SCORE_TYPES
from analyzer.demo.random_data import Embedder, created_at, key, rank, strewn
from analyzer.demo.rows import Scale, sentences
from analyzer.demo.words import COLORS, FIRST_NAMES, LAST_NAMES

TENANTS = 60
#: Different texts that messages are made of.
_TEXTS = 3_000
#: One message in so many is of a time that no partition was made for.
_STRAGGLERS = 2_000


def tenant_of(customer: int) -> int:
    """Return the tenant of a customer, 1 … TENANTS; the first has a sixth of all customers."""
    chance = strewn(customer, 65_536) / 65_536
    return min(int((TENANTS + 1) ** chance), TENANTS)


def reference(customer: int) -> str:
    """Return what the tenant calls a customer."""
    return f"T{tenant_of(customer):02}-{customer:08}"


def address(customer: int) -> str | None:
    """Return the e-mail address of a customer; two in five gave none."""
    if customer % 5 < 2:
        return None
    first = FIRST_NAMES[strewn(customer, len(FIRST_NAMES))]
    return f"{first.lower()}.{customer}@tenant{tenant_of(customer)}.example"


def customers(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Customers: the new ones are prospects, the old ones active or gone; few departments have the most."""
    traits = [json.dumps(_traits(random)) for _ in range(400)]
    for number in range(1, scale.tenant_customers + 1):
        made = created_at(number, scale.tenant_customers, days=900)
        is_new = number > 0.9 * scale.tenant_customers
        status = CUSTOMER_STATUSES[rank(random, 2, shift=2) if is_new else 2 + rank(random, 3, shift=1)]
        name = f"{FIRST_NAMES[strewn(number, len(FIRST_NAMES))]} {random.choice(LAST_NAMES)}"
        yield line(
            *(number, tenant_of(number), reference(number), DEPARTMENTS[rank(random, len(DEPARTMENTS), shift=3)]),
            *(status, name, address(number), random.choice(traits), made, made + timedelta(days=random.random() * 9)),
        )


def _traits(random: Random) -> dict[str, object]:
    traits: dict[str, object] = {"language": random.choice(("en", "de", "fr", "es")), "size": random.randrange(1, 900)}
    if random.random() < 0.3:
        traits["contract"] = {"years": random.randrange(1, 5), "auto_renew": random.random() < 0.6}
    if random.random() < 0.2:
        traits["segments"] = random.sample(COLORS, 2)
    return traits


def scores(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Scores: a customer who once scored high does again; one in twenty is above 0.7."""
    chance, customers = random.random, scale.tenant_customers
    for number in range(1, scale.scores + 1):
        customer = key(random, customers)
        score = strewn(customer, 9_973) / 9_973 * chance()
        confidence = 1 - 0.6 * chance() * chance()
        kind = SCORE_TYPES[int(5 * chance())]
        made = created_at(number, scale.scores, days=700)
        yield f"{number}\t{customer}\t{kind}\t{score:.4f}\t{confidence:.4f}\t{made}\n"


def messages(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Messages: conversations of a few turns, minutes apart, more of them lately."""
    texts = [sentences(random, 1 + rank(random, 4, shift=2)) for _ in range(_TEXTS)]
    number = 0
    while number < scale.messages:
        customer = key(random, scale.tenant_customers)
        made = created_at(number + 1, scale.messages, days=393)
        if random.randrange(_STRAGGLERS) == 0:
            made -= timedelta(days=420)
        for turn in range(min(2 + rank(random, 8, shift=3), scale.messages - number)):
            number += 1
            role = ROLES[turn % 2] if random.random() < 0.95 else ROLES[2 + turn % 2]
            at = made - timedelta(seconds=(9 - turn) * 70)
            text = texts[int(random.random() * _TEXTS)]
            yield f"{number:08x}-0000-7000-8000-{number:012x}\t{customer}\t{at}\t{role}\t{text}\n"
