"""What a twin, or a copy of it in another process, is asked about one statement."""

from dataclasses import dataclass

from analyzer.advise.benefit import Execution
from analyzer.postgres.identifiers import QualifiedName


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An execution to price, and the indexes that are there."""

    execution: Execution
    tables: frozenset[QualifiedName] | None
    #: Places among the twin's added indexes.
    visible: tuple[int, ...]
    #: Existing indexes that are done without, as `schema.name`.
    without: tuple[str, ...]
