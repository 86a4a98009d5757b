"""`twindex explain`: what a rule means."""

import click

from analyzer.checks.registry import overview, page
from analyzer.console import put, say


@click.command()
@click.argument("rule", required=False)
def command(*, rule: str | None) -> None:
    """Print what a rule means, why it is one and what to do; without RULE, list them all.

    RULE is a code such as TX101, or its short name.
    """
    if rule is not None:
        put(page(rule))
        return
    for code, severity, name, title in overview():
        say(f"{code}  {severity:<8} {name:<30} {title}")
