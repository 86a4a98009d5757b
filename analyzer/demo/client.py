"""One client of the platform: what its next statement asks about."""

from collections import deque
from datetime import datetime, timedelta
from random import Random

from pgvector import Vector

from analyzer.demo import words
from analyzer.demo.random_data import CLOCK, Embedder, rank
from analyzer.demo.rows import LABELS, Scale


class Asker:
    """One client: draws what the next statement asks about, and remembers what it may delete again."""

    def __init__(self, *, seed: int, client: int, scale: Scale, embedder: Embedder) -> None:
        """Start a client whose questions follow from seed and number alone."""
        self.random = Random(f"workload:{seed}:{client}")
        self.scale = scale
        self.embedder = embedder
        #: What this client made by each statement and nothing refers to yet.
        self._made: dict[str, deque[str]] = {}
        self._client = client
        self._asked = 0

    def tick(self) -> datetime:
        """Return the time of the next write: after everything that was loaded, a second apart."""
        self._asked += 1
        return CLOCK + timedelta(seconds=self._asked)

    def remember(self, statement: str, prefix: str) -> str:
        """Return a new name for what a statement makes, and remember it."""
        made = self._made.setdefault(statement, deque())
        made.append(f"{prefix}-{self._client}-{len(made)}-{self.random.randrange(1 << 30)}")
        return made[-1]

    def recall(self, statement: str) -> str:
        """Return the name of what a statement made longest ago, and forget it."""
        return self._made[statement].popleft()

    def remembers(self, statement: str) -> bool:
        """Say whether anything is left that a statement made."""
        return bool(self._made.get(statement))

    def category(self) -> str:
        """Draw a category as skewed as the products'."""
        return words.CATEGORIES[rank(self.random, len(words.CATEGORIES), shift=6)]

    def noun(self) -> str:
        """Draw a thing that is sold."""
        return self.random.choice(words.NOUNS[self.category()])

    def near(self) -> Vector:
        """Draw an embedding of something the platform knows about."""
        return self.embedder.near(self.random, self.random.randrange(len(LABELS)))
