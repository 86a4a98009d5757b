"""The command line: parse, call one function, render, exit."""

import contextlib
import importlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from types import FrameType

import click

from analyzer import __version__, stdout
from analyzer.errors import TwindexError

#: Command and module, in the order of a day's work.
COMMANDS = {
    "demo": "analyzer.cli.demo",
    "capture": "analyzer.cli.capture",
    "propose": "analyzer.cli.propose",
    "whatif": "analyzer.cli.whatif",
    "lint": "analyzer.cli.lint",
    "pull": "analyzer.cli.pull",
    "check": "analyzer.cli.check",
    "revise": "analyzer.cli.revise",
    "verify": "analyzer.cli.verify",
    "report": "analyzer.cli.report",
    "explain": "analyzer.cli.explain",
    "sql": "analyzer.cli.sql",
}

#: What a shell reports of a process that a signal ended.
_BY_SIGNAL = 128


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character shows its number
            stream.reconfigure(errors="backslashreplace")
    stdout.reserve()
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised and told besides
    try:
        with _terminable():
            status = _run(arguments)
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has enough of it, which is no failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        done = cli.main(args=arguments, prog_name="twindex", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _complain(_usage(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", _BY_SIGNAL + signal.SIGINT)
    except TwindexError as error:
        return _complain(str(error), error.exit_status)
    return done if isinstance(done, int) else 0  # an int is what a click.exceptions.Exit carried


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(". \n")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see {context.command_path} --help" if context is not None else message


def _complain(message: str, status: int) -> int:
    click.echo(f"twindex: {' '.join(message.split())}", err=True)
    return status


@contextlib.contextmanager
def _terminable() -> Generator[None]:
    """Turn the signals that would end us into an exit that unwinds; one that nohup has set aside stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ending = [number for number in ours if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)]
    before = {number: signal.signal(number, _leave) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Unwind, so that clusters are stopped and removed; the next signal does not cut that short."""
    signal.signal(number, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(_BY_SIGNAL + number)
