"""The document of `whatif`."""

from typing import Literal

from pydantic import JsonValue

from analyzer.documents.not_examined import Gaps
from analyzer.documents.provenance import Provenance
from analyzer.documents.record import Record


class WhatifStatement(Record):
    """One statement planned as things are, and as they would be."""

    id: str
    query: str
    cost_before: float | None
    cost_after: float | None
    plan_before: JsonValue = None
    plan_after: JsonValue = None
    error: str | None = None


class WhatifDocument(Record):
    """What `twindex whatif` says; statements stand in the order they were given."""

    format: Literal["twindex-whatif"] = "twindex-whatif"
    version: Literal[1] = 1
    provenance: Provenance
    statements: tuple[WhatifStatement, ...]
    #: Sums over the statements that could be planned both ways.
    total_before: float
    total_after: float
    not_examined: Gaps = ()
