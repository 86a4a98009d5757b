"""`twindex explain`: what a rule means."""

import click

from analyzer.checks.registry import RULES, page
from analyzer.console import put, say
from analyzer.migrate.hazards import HazardCode


@click.command(short_help="Explain a rule: meaning, reason, remedy.")
@click.argument("rule", required=False)
def command(*, rule: str | None) -> None:
    """Explain a rule: its meaning, the reason for it and the remedy; without RULE, list all rules.

    RULE is a code, e.g. TX101, a short name, e.g. missing-index, or the code of a hazard of a revision.
    """
    hazard = HazardCode.__members__.get((rule or "").upper())
    if hazard is not None:
        say(f"{hazard}, a hazard: the step {hazard.summary}")
        say(f"twindex revise --refuse-hazard {hazard} writes no revision with such a step")
        return
    if rule is not None:
        put(page(rule))
        return
    for each in RULES.values():
        say(f"{each.code}  {each.severity:<8} {each.name:<30} {each.title}")
