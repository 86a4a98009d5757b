"""What a change of the indexes does to one statement, with its plans."""

from dataclasses import dataclass

from analyzer.advise.cost import PricedStatement
from analyzer.twin.twin import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one proposal does to one statement, after the proposals before it."""

    item: PricedStatement
    #: Of one execution.
    cost_before: float
    cost_after: float
    plan_before: Plan
    plan_after: Plan
    #: The statement's share of the workload's time; of its calls where nothing was measured.
    share_of_time: float
