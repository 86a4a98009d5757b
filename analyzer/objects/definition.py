"""Definition, an object of any kind that a spec can declare."""

from typing import Literal, TypeVar

from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef

Definition = IndexDef | StatisticsDef
#: Either of the two, where what comes out is of the kind that went in.
D = TypeVar("D", bound=Definition)
Kind = Literal["index", "statistics"]


def kind_of(definition: Definition) -> Kind:
    """Return the kind of an object."""
    return "index" if isinstance(definition, IndexDef) else "statistics"
