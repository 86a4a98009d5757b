"""One client of the platform: what its next statement asks about."""

from collections import deque
from datetime import datetime, timedelta
from random import Random

from pgvector import Vector

from analyzer.demo import words
from analyzer.demo.chance import CLOCK, Embedder, rank
from analyzer.demo.rows import LABELS, Scale


class Asker:
    """One client: draws what the next statement asks about, and remembers what it may delete again."""

    def __init__(self, *, seed: int, client: int, scale: Scale, embedder: Embedder) -> None:
        """Start a client whose questions follow from seed and number alone."""
        self.random = Random(f"workload:{seed}:{client}")
        self.scale = scale
        self.embedder = embedder
        #: Products imported by this client that nothing refers to yet.
        self.imported: deque[str] = deque()
        self._client = client
        self._asked = 0

    def tick(self) -> datetime:
        """Return the time of the next write: after everything that was loaded, a second apart."""
        self._asked += 1
        return CLOCK + timedelta(seconds=self._asked)

    def import_sku(self) -> str:
        """Return a new article number and remember it."""
        self.imported.append(f"IMPORT-{self._client}-{len(self.imported)}-{self.random.randrange(1 << 30)}")
        return self.imported[-1]

    def category(self) -> str:
        """Draw a category as skewed as the products'."""
        return words.CATEGORIES[rank(self.random, len(words.CATEGORIES), shift=6)]

    def noun(self) -> str:
        """Draw a thing that is sold."""
        return self.random.choice(words.NOUNS[self.category()])

    def near(self) -> Vector:
        """Draw an embedding of something the platform knows about."""
        return self.embedder.near(self.random, self.random.randrange(len(LABELS)))
