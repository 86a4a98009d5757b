"""Skew, correlation and clusters: the shapes of production data, from a seed."""

from array import array
from datetime import UTC, datetime, timedelta
from random import Random

from pgvector import Vector

from analyzer.demo.models.catalog import DIMENSIONS

#: The platform's "now": fixed, so that the same seed gives the same rows on any day.
CLOCK = datetime(2026, 3, 1, 12, tzinfo=UTC)

#: Length of the noise that embeddings cut their own piece from.
_NOISE = 60_000


def rank(random: Random, size: int, *, shift: int = 20) -> int:
    """Draw 0 … size-1 by Zipf and Mandelbrot's law: probability falls with 1 / (rank + shift)."""
    return min(int(shift * ((size + shift) / shift) ** random.random()) - shift, size - 1)


def key(random: Random, size: int, *, shift: int = 20) -> int:
    """Draw a key 1 … size as skewed as rank(), with the frequent ones strewn over the range."""
    return rank(random, size, shift=shift) * 7_919 % size + 1


def strewn(number: int, size: int) -> int:
    """Map a number to 0 … size-1, always the same, without order."""
    return number * 2_654_435_761 % 4_294_967_296 % size


def created_at(row: int, rows: int, *, days: int) -> datetime:
    """Say when a row was made: in the order of the keys, and more of them lately."""
    age = ((rows - row + 0.5) / rows) ** 1.6 * days
    return CLOCK - timedelta(days=age)


class Embedder:
    """Embeddings in clusters, so that neighbours exist and recall can be measured."""

    def __init__(self, seed: int, clusters: int) -> None:
        """Draw the centres of the clusters and the noise round them."""
        random = Random(f"embeddings:{seed}")
        self._noise = array("f", (random.gauss(0, 0.6) for _ in range(_NOISE)))
        self._centres = [array("f", (random.gauss(0, 1) for _ in range(DIMENSIONS))) for _ in range(clusters)]

    def near(self, random: Random, cluster: int) -> Vector:
        """Draw an embedding of a cluster."""
        start = random.randrange(_NOISE - DIMENSIONS)
        noise = self._noise[start : start + DIMENSIONS]
        centre = self._centres[cluster % len(self._centres)]
        return Vector([middle + off for middle, off in zip(centre, noise, strict=True)])
