"""Definition, an object of any kind that a spec can declare."""

from collections.abc import Callable
from typing import Literal, TypeVar

from analyzer.objects.fixpoint import fixpoint
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef

Definition = IndexDef | StatisticsDef
#: Either of the two, where what comes out is of the kind that went in.
D = TypeVar("D", bound=Definition)
Kind = Literal["index", "statistics"]


def canonical(wanted: D, printed: Callable[[D], D]) -> D:
    """Return a definition as a server prints it in the end; `printed` has it parsed and printed once.

    The name stays. Two definitions are the same if their canonical forms are, whatever either has gone through.
    """
    return fixpoint(wanted, printed) if wanted.expressions else printed(wanted)


def kind_of(definition: Definition) -> Kind:
    """Return the kind of an object."""
    return "index" if isinstance(definition, IndexDef) else "statistics"
