"""The rows of the `pipeline` system: lines of COPY, the same for the same seed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from analyzer.demo.copy_format import line
from analyzer.demo.random_data import Embedder, created_at, key, rank
from analyzer.demo.rows import LABELS, Scale
from analyzer.demo.words import AGENTS, MODELS, TASKS


def runs(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Runs: of a few agents, the last ones still running."""
    for number in range(1, scale.runs + 1):
        made = created_at(number, scale.runs, days=200)
        running = number > scale.runs - 8
        status = "running" if running else "failed" if random.random() < 0.06 else "succeeded"
        settings = {"batch": random.choice((32, 64, 128)), "temperature": round(random.random(), 1)}
        yield line(
            *(number, AGENTS[rank(random, len(AGENTS), shift=2)], MODELS[rank(random, len(MODELS), shift=2)]),
            *(status, json.dumps(settings), made, None if running else made + timedelta(minutes=random.randrange(90))),
        )


def work_items(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Work: the last tenth waits, the rest is done; few tries failed permanently."""
    for number in range(1, scale.work_items + 1):
        made = created_at(number, scale.work_items, days=200)
        waiting = number > 0.9 * scale.work_items
        status = "pending" if waiting else "failed" if random.random() < 0.02 else "done"
        payload = {"language": random.choice(("en", "de")), "tokens": random.randrange(20, 900)}
        yield line(
            *(number, random.choice(TASKS), key(random, scale.products, shift=200)),
            None if waiting else 1 + number * scale.runs // scale.work_items,
            *(random.choice((10, 50, 100, 100, 100)), status, 0 if waiting else 1 + rank(random, 3, shift=1)),
            *(json.dumps(payload), None if waiting else made + timedelta(minutes=20), made),
        )


def outputs(random: Random, scale: Scale, _embedder: Embedder) -> Iterator[str]:
    """Outputs: about as many of each run; the sure ones were applied."""
    for number in range(1, scale.outputs + 1):
        made = created_at(number, scale.outputs, days=200)
        confidence = 1 - 0.7 * random.random() ** 2
        yield line(
            *(number, 1 + (number - 1) * scale.runs // scale.outputs, key(random, scale.products, shift=200)),
            *(LABELS[rank(random, len(LABELS), shift=10)], f"{confidence:.4f}", f"{(1 - confidence) / 2:.4f}"),
            *(made + timedelta(hours=1) if confidence > 0.9 else None, made),
        )
