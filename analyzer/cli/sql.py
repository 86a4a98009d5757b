"""`twindex sql`: print a SQL template as it is sent."""

import click
from jinja2 import UndefinedError

from analyzer.console import put
from analyzer.errors import InputError
from analyzer.postgres.versions import NEWEST, OLDEST
from analyzer.sql import render_text


@click.command(short_help="Print an SQL template as twindex sends it.")
@click.argument("name")
@click.option(
    "--pg", default=NEWEST, show_default=True, type=click.IntRange(OLDEST), help="Major version of the server."
)
def command(name: str, pg: int) -> None:
    """Print the SQL template NAME, e.g. capture/relations, as twindex sends it to a server."""
    try:
        text = render_text(name, pg=pg)
    except UndefinedError as error:
        raise InputError(
            f"{name} cannot be printed by itself ({error.message}); it takes its values from the calling code"
        ) from None
    put(text)
