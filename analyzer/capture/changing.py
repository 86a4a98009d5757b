"""Capture a database while other sessions create, alter and drop objects in it.

The transaction shows the catalog as it was when it began, but what prints an object looks at the newest one: of an
object dropped since, or of what it was made of, it returns NULL or ???, or it fails. Such an object is left out and
named. No object can come into the transaction's view, so that this ends however many are created and dropped.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import tenacity
from psycopg import errors
from pydantic import ValidationError
from tenacity import Retrying

from analyzer.documents.admission import breach
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import NotExaminableError

T = TypeVar("T")

#: What the server says of an object, or of a part of it, that the newest catalog no longer has.
CHANGES: Final = (
    errors.InternalError_,
    errors.InvalidBinaryRepresentation,  # a label of an enum
    errors.InvalidSchemaName,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.UndefinedTable,
)
#: And of a lock that such a session holds.
_LOCKS: Final = (errors.LockNotAvailable, errors.DeadlockDetected)
CHANGED: Final = "it changed during the capture; capture again"
_ATTEMPTS = 5
#: How format_type() begins for a type that does not exist.
_NO_TYPE = "???"
_NAMED = 200


def from_the_start(read: Callable[[], T], *, database: str) -> T:
    """Read, each time with a new view of the catalog, until no other session's change prevents it; a few times."""
    retrying = Retrying(
        retry=tenacity.retry_if_exception_type((*CHANGES, *_LOCKS)),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )
    try:
        return retrying(read)
    except (*CHANGES, *_LOCKS) as error:
        raise NotExaminableError(
            f"{database} cannot be read because other sessions keep changing or locking its objects "
            f"({first_line(error)}); capture again when no schema change is running"
        ) from None


def printed_wrongly(error: ValidationError) -> str:
    """Return why a record cannot be made of what the server printed."""
    given = error.errors(include_url=False)[0]["input"]
    return CHANGED if given is None or str(given).startswith(_NO_TYPE) else breach(error)


def failed(error: Exception) -> str:
    """Return why an object cannot be printed."""
    return (
        f"the server cannot print it ({first_line(error)}): it changed during the capture, or the catalog is damaged; "
        "capture again"
    )


def first_line(error: Exception) -> str:
    """Return what the server says, without its context."""
    return str(error).splitlines()[0]


def named(lost: Mapping[str, str]) -> Iterator[NotExamined]:
    """List what was left out with its reasons, one by one up to a limit."""
    for what, reason in list(lost.items())[:_NAMED]:
        yield NotExamined(what=what, reason=reason)
    if len(lost) > _NAMED:
        yield NotExamined(what=f"{len(lost) - _NAMED} more objects", reason="they changed during the capture")
