"""`twindex sql`: print a SQL template as it is sent."""

import click
from jinja2 import UndefinedError

from analyzer.console import put
from analyzer.errors import InputError
from analyzer.postgres.versions import NEWEST, OLDEST
from analyzer.sql import render_text


@click.command()
@click.argument("name")
@click.option(
    "--pg", default=NEWEST, show_default=True, type=click.IntRange(OLDEST), help="Major version of the server."
)
def command(name: str, pg: int) -> None:
    """Print the SQL template NAME (such as capture/relations) as it is sent to a server."""
    try:
        text = render_text(name, pg=pg)
    except UndefinedError as error:
        raise InputError(f"{name} cannot be shown alone ({error.message}); it is filled in where it is used") from None
    put(text)
