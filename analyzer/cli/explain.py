"""`twindex explain`: what a rule means."""

import click

from analyzer.checks.registry import overview, page
from analyzer.console import put, say


@click.command(short_help="Explain a rule: meaning, reason, remedy.")
@click.argument("rule", required=False)
def command(*, rule: str | None) -> None:
    """Explain a rule: its meaning, the reason for it and the remedy; without RULE, list all rules.

    RULE is a code, e.g. TX101, or a short name.
    """
    if rule is not None:
        put(page(rule))
        return
    for code, severity, name, title in overview():
        say(f"{code}  {severity:<8} {name:<30} {title}")
