"""Say in words what the drop of an existing index does."""

from analyzer.amounts import plural
from analyzer.documents.proposals import Proposal, Retirement
from analyzer.render import units


def retirement_facts(retirement: Retirement) -> str:
    """Say what a drop frees, what it costs, and how often the index was scanned."""
    parts = [f"frees {units.size(retirement.size_bytes)}"]
    if retirement.net_bytes is not None:
        sign = "+" if retirement.net_bytes >= 0 else ""
        parts.append(f"with its replacement {sign}{units.size(retirement.net_bytes)}")
    if retirement.upkeep:
        parts.append(f"saves writes a cost of {units.cost(retirement.upkeep)}")
    parts.append(f"workload cost {units.cost(retirement.cost_before)} → {units.cost(retirement.cost_after)}")
    if retirement.scans is not None:
        since = f" since {units.moment(retirement.scans_since)}" if retirement.scans_since is not None else ""
        parts.append(f"scanned {plural(retirement.scans, 'time')}{since}")
    return "; ".join(parts)


def replaces(proposal: Proposal) -> str | None:
    """Say which existing indexes a proposal takes the place of; None where none."""
    others = [name for name in proposal.replaces if name != proposal.extends]
    parts = [f"extends {proposal.extends}"] if proposal.extends is not None else []
    if others:
        parts.append(f"replaces {', '.join(others)}")
    return f"{' and '.join(parts)}, to be dropped after it is built" if parts else None


def drops(number: int) -> str:
    """Say how many existing indexes can be dropped."""
    return "1 existing index can be dropped" if number == 1 else f"{number:,} existing indexes can be dropped"
