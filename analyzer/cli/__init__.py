"""The command line: parse, call one function, render, exit."""

import importlib
import sys
from collections.abc import Sequence

import click

from analyzer import __version__
from analyzer.errors import TwindexError

#: Command and module, in the order of a day's work.
COMMANDS = {
    "demo": "analyzer.cli.demo",
    "capture": "analyzer.cli.capture",
    "propose": "analyzer.cli.propose",
    "whatif": "analyzer.cli.whatif",
    "revise": "analyzer.cli.revise",
    "verify": "analyzer.cli.verify",
    "report": "analyzer.cli.report",
    "sql": "analyzer.cli.sql",
}


class LazyGroup(click.Group):
    """Import a command's module only when it is asked for, so that `twindex --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        module = COMMANDS.get(cmd_name)
        return getattr(importlib.import_module(module), "command") if module else None  # noqa: B009 - the convention


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="twindex")
def cli() -> None:
    """Keep a PostgreSQL schema fast: capture, propose indexes with proof, review them as YAML, deploy with Alembic."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the user's mistakes end in one line on stderr and their exit status."""
    try:
        cli(args=arguments, prog_name="twindex", standalone_mode=True)
    except TwindexError as error:
        click.echo(f"twindex: {' '.join(str(error).split())}", err=True)
        sys.exit(error.exit_status)
