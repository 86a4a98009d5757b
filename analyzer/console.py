"""Everything twindex says: the one place that writes to stdout, to stderr or to a log.

The result of a command goes to stdout and must arrive: what cannot be written is an OutputError. What accompanies it
goes to stderr, and is lost where there is no stderr.
"""

import contextlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Generator, Iterable
from typing import TextIO
from urllib.parse import unquote

from analyzer.errors import OutputError
from analyzer.visible import one_line, visible, visible_block, without_commands

_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")
#: What stands where a password does, in a URL or a list of keywords.
_PASSWORD = re.compile(
    r"//[^/\s@:]*:(?P<url>\S*)@|\bpassword\s*=\s*'(?P<quoted>(?:[^'\\]|\\.)*)|\bpassword\s*=\s*(?P<word>[^\s'&;]+)",
    re.IGNORECASE,
)


class UnreadError(Exception):
    """Whoever reads stdout has enough of it, which is no failure; not an OSError, which click would make one of."""


def say(line: str) -> None:
    """Write one line of a result to stdout; raises OutputError."""
    _write(f"{without_commands(visible(line))}\n")


def put(text: str, *, colour: bool = False, commands: bool = False) -> None:
    """Write a rendered document to stdout; raises OutputError.

    `colour` keeps its colours; `commands` says that it consists of commands to the runner of a workflow.
    """
    parts = _COLOURS.split(text) if colour else [text]
    shown = "".join(part if number % 2 else visible_block(part) for number, part in enumerate(parts))
    ended = shown if shown.endswith("\n") else f"{shown}\n"
    _write(ended if commands else without_commands(ended))


def tell(line: str) -> None:
    """Write one line to stderr, if there is one."""
    _tell(without_commands(one_line(line)))


def tell_lines(text: str) -> None:
    """Write text that we composed over several lines, such as a command's help, to stderr."""
    _tell(without_commands(visible_block(text)))


def tell_traceback(error: BaseException, secrets: Iterable[str] = ()) -> None:
    """Write the traceback of a defect to stderr, without passwords."""
    text = "".join(traceback.format_exception(error)).rstrip()
    _tell(without_commands(visible_block(without_passwords(text, secrets))))


def without_passwords(text: str, secrets: Iterable[str] = ()) -> str:
    """Cut passwords out of a text: the given ones, and those of connection strings in it, or given to twindex."""
    given = " ".join([*sys.argv, os.environ.get("DATABASE_URL", "")])
    known = {*secrets, *passwords(text), *passwords(given), os.environ.get("PGPASSWORD", "")}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text


def passwords(text: str) -> frozenset[str]:
    """Find possible passwords in a text, as written and as sent to a server."""
    found = {part for match in _PASSWORD.finditer(text) for part in match.groups() if part}
    return frozenset(found | {unquote(part) for part in found})


def logger(name: str) -> logging.Logger:
    """Return a logger whose records are one line each, whatever names they speak of."""
    found = logging.getLogger(name)
    if not any(isinstance(each, _OneLine) for each in found.filters):
        found.addFilter(_OneLine())
    return found


@contextlib.contextmanager
def silenced_libraries(*names: str) -> Generator[None]:
    """Let some libraries log nothing while the block runs."""
    known = [each for each in list(logging.root.manager.loggerDict) if each.partition(".")[0] in names]
    loggers = [logging.getLogger(name) for name in {*names, *known}]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = visible(record.getMessage()), None
        return True


def flush() -> None:
    """Make sure that what was written has arrived; raises OutputError."""
    if sys.stdout is not None:  # it was closed
        _send(sys.stdout, "")


def abandon() -> None:
    """Let what could not be written go, so that the interpreter does not try again when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            continue
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write(text: str) -> None:
    if sys.stdout is None:  # it was closed
        raise OutputError("stdout cannot be written (it is closed); open it, or specify a file")
    _send(sys.stdout, text)


def _send(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise UnreadError from None
    except OSError as error:
        raise OutputError(f"stdout cannot be written ({error.strerror}); redirect it elsewhere") from None


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nothing is left to write to
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
