"""An index that a spec declares, as the advisor sees it."""

from dataclasses import dataclass
from datetime import date

from analyzer.objects.index import IndexDef

#: States of a spec that will be built: it counts as there.
_WANTED = frozenset({"approved", "proposed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An index that a spec names already."""

    index: IndexDef
    state: str
    #: `file:line`.
    where: str
    #: Last day of a rejection; None for a rejection without a date.
    until: date | None = None
    #: The spec is a proposal to drop the index.
    retires: bool = False
    #: It stands for the index of every schema that a pattern means.
    of_pattern: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether it will be built, or stays."""
        return self.state in _WANTED and not self.retires

    def holds(self, today: date) -> bool:
        """Say whether the declaration still stands: a rejection may have run out."""
        return self.state != "rejected" or self.until is None or self.until >= today
