"""An index worth trying for one table of one statement."""

from dataclasses import dataclass

from analyzer.objects.index import Key
from analyzer.postgres.access_methods import MethodName

#: Expressions, and operators, of one mention of a table that are tried.
MOST_EXPRESSIONS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An index without a name, and why it was drafted."""

    method: MethodName = "btree"
    keys: tuple[Key, ...]
    include: tuple[str, ...] = ()
    where: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    reason: str
    #: What was left out of it, and why, for its reader.
    notes: tuple[str, ...] = ()
    #: It is for an order, or for a range of it, not only for single values.
    is_ordered: bool = False
    #: Why it is no candidate: the server cannot build it, or the statement cannot use it as it is written.
    obstacle: str | None = None
    #: Of its keys the first that its statement fixes to a value each: their order and directions are of no consequence.
    fixed: int = 0
