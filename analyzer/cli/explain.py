"""`twindex explain`: what a rule means."""

import click

from analyzer.checks.registry import RULES, page


@click.command()
@click.argument("rule", required=False)
def command(*, rule: str | None) -> None:
    """Print what a rule means, why it is one and what to do; without RULE, list them all.

    RULE is a code such as TX101, or its short name.
    """
    if rule is not None:
        click.echo(page(rule), nl=False)
        return
    for each in RULES.values():
        click.echo(f"{each.code}  {each.severity:<8} {each.name:<30} {each.title}")
