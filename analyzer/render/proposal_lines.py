"""Say in a line each what a proposal is worth, what could take its place, and what may go wrong with its plans."""

from collections.abc import Iterator, Sequence

from analyzer.documents.proposals import FrontierPoint, Proposal
from analyzer.render import units

#: Statements that are named with one risk.
_MOST_NAMED = 3
#: Points of a frontier: a single set has nothing to be compared with.
LEAST_POINTS = 2
_BAR = 40


def worth(proposal: Proposal) -> str | None:
    """Say what it saves alone and beside the others; None where that is not known."""
    if proposal.saves_alone is None or proposal.saves_beside is None:
        return None
    return (
        f"saves {units.share(proposal.saves_beside)} of the workload's cost beside the other proposals, "
        f"{units.share(proposal.saves_alone)} alone"
    )


def alternatives(proposal: Proposal) -> tuple[tuple[str, str], ...]:
    """Return the DDL of each alternative, and what it would save in this place."""
    return tuple(
        (each.ddl, f"{units.size(each.size_bytes)}, would save {units.share(each.saves)}")
        for each in proposal.alternatives
    )


def risk_lines(proposal: Proposal) -> Iterator[str]:
    """Yield each risk with the statements it is about."""
    statements: dict[str, list[str]] = {}
    for risk in proposal.risks:
        statements.setdefault(risk.text, []).append(risk.statement)
    for text, named in statements.items():
        more = f" and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
        plural = "" if len(named) == 1 else "s"
        yield f"{text} (statement{plural} {', '.join(named[:_MOST_NAMED])}{more})"


def frontier_rows(points: Sequence[FrontierPoint]) -> tuple[tuple[str, str, str, str], ...]:
    """Return size, number, cost and a bar of each point; the one that is proposed is marked."""
    return tuple(
        (
            units.size(point.size_bytes),
            f"{point.indexes:,} {'index' if point.indexes == 1 else 'indexes'}",
            units.share(point.cost),
            "\N{FULL BLOCK}" * round(_BAR * min(point.cost, 1.0)) + (" proposed" if point.proposed else ""),
        )
        for point in points
    )
