"""The command line: parse, call one function, render, exit."""

import contextlib
import gc
import importlib
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FrameType

import click

from analyzer import __version__, console, stdout
from analyzer.console import passwords, without_passwords
from analyzer.errors import InputError, TwindexError
from analyzer.paths import reason_of

#: Command and module, in the order in which they are normally used.
COMMANDS = {
    "demo": "analyzer.cli.demo",
    "capture": "analyzer.cli.capture",
    "statements": "analyzer.cli.statements",
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

#: Exit status of a process terminated by signal N: 128 + N.
_BY_SIGNAL = 128
#: EX_SOFTWARE of sysexits.h.
_DEFECT = 70
#: Maximum length of an unexpected error's text.
_MOST_OF_AN_ERROR = 300
#: Thresholds of the garbage collector: trees of statements and plans are many, and are freed without it.
_COLLECTED = (50_000, 20, 100)


class LazyGroup(click.Group):
    """Import the module of a command only to run it or to show its help."""

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
    """Propose PostgreSQL indexes with evidence, review them as YAML, deploy them with Alembic."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every failure is one line on stderr and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # characters the terminal cannot show are escaped
            stream.reconfigure(errors="backslashreplace")
    stdout.reserve()
    gc.set_threshold(*_COLLECTED)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # its warnings are also raised as exceptions
    try:
        with warnings.catch_warnings(), _terminable():
            # Warnings of libraries are for developers, and may quote user input.
            warnings.showwarning = _warn
            status = _run(arguments)
    except (console.UnreadError, BrokenPipeError):
        status = 0
    finally:
        console.abandon()
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        done = _done(arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        console.tell_lines(error.format_message())
        return error.exit_code
    except click.ClickException as error:
        return _complain(_usage(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", _BY_SIGNAL + signal.SIGINT)
    except TwindexError as error:
        return _complain(str(error), error.exit_status)
    except (console.UnreadError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: no caller handles it
        return _confess(error, arguments)
    return done if isinstance(done, int) else 0  # an int is what a click.exceptions.Exit carried


def _done(arguments: Sequence[str] | None) -> object:
    try:
        return cli.main(args=arguments, prog_name="twindex", standalone_mode=False)
    except BrokenPipeError:
        raise
    except OSError:  # click writes its help itself
        console.flush()
        raise


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(". \n")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see {context.command_path} --help" if context is not None else message


def _complain(message: str, status: int) -> int:
    console.tell(f"twindex: {message}")
    return status


def _of_path(error: Exception) -> InputError | None:
    """Return an InputError if the system refused access to a path outside twindex, which the user can fix."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str | bytes):
        return None
    path = Path(os.fsdecode(error.filename))
    if path.is_relative_to(Path(__file__).parents[1]):
        return None
    return InputError(f"{path} cannot be used ({reason_of(error)}); specify another path, or fix its permissions")


def _confess(error: Exception, arguments: Sequence[str] | None) -> int:
    """Report an internal error, or an inaccessible path, in one line; the traceback only with TWINDEX_DEBUG."""
    secrets = passwords(" ".join(arguments or ()))
    if os.environ.get("TWINDEX_DEBUG"):
        console.tell_traceback(error, secrets)
    if (refused := _of_path(error)) is not None:
        return _complain(without_passwords(str(refused), secrets), refused.exit_status)
    text = without_passwords(f"{type(error).__name__}: {error}".rstrip(": "), secrets)
    text = text if len(text) <= _MOST_OF_AN_ERROR else f"{text[:_MOST_OF_AN_ERROR]}…"
    return _complain(f"internal error in {_place(error)}: {text}; set TWINDEX_DEBUG=1 for the traceback", _DEFECT)


def _place(error: Exception) -> str:
    """Return file:line of the innermost frame in twindex."""
    package = Path(__file__).parents[1]
    last = f"{package.name}"
    step = error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.is_relative_to(package):
            last = f"{file.relative_to(package.parent)}:{step.tb_lineno}"
        step = step.tb_next
    return last


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    if os.environ.get("TWINDEX_DEBUG"):
        console.tell(without_passwords(f"{filename}:{lineno}: {category.__name__}: {message}"))


@contextlib.contextmanager
def _terminable() -> Generator[None]:
    """Turn terminating signals into an exit that unwinds; signals ignored by nohup stay ignored."""
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
    """Unwind, so that clusters are stopped and removed; later signals are ignored."""
    signal.signal(number, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(_BY_SIGNAL + number)
