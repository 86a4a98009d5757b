"""The document of `whatif`."""

from typing import Literal

from pydantic import JsonValue

from analyzer.documents.not_examined import Gaps
from analyzer.documents.plans import GivenPlan
from analyzer.documents.proposals import NotProposed, Proposal
from analyzer.documents.provenance import Provenance
from analyzer.documents.record import Record
from analyzer.documents.weights import Weight


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
    #: Plans that the statements come from.
    plans: tuple[GivenPlan, ...] = ()
    #: Indexes that were tried because the plans suggest them, in the order of application.
    proposals: tuple[Proposal, ...] = ()
    not_proposed: tuple[NotProposed, ...] = ()
    not_examined: Gaps = ()
    #: What every `share_of_time` of the proposals is a share of, in truth.
    weighed_by: Weight = "time"
