"""What can go wrong, by who can fix it.

TwindexError                the user's to fix: one line, exit 2
├── InputError              a file, an argument or a setting that cannot be read as what it should be
│   ├── RejectedError       SQL that a server refuses
│   └── TwinLacksError      SQL that a twin refuses because it lacks what the captured server has
├── OutputError             a result that cannot be written to stdout
├── ConflictError           what was asked contradicts what exists (a file, an index, a revision)
├── HazardError             a revision with a hazard that is refused: exit 1 (migrate/plan/hazards.py)
└── NotExaminableError      nothing could be examined: one line, exit 3
    ├── UnreachableError    no connection to a server
    └── CapabilityError     a server or an installation lacks an extension, a version or a privilege

Anything else that is raised is a defect of twindex: one line, exit 70; TWINDEX_DEBUG=1 shows the traceback.
A finding is data, not an error.
"""

from typing import ClassVar

from analyzer.visible import one_line


class TwindexError(Exception):
    """The user's to fix; its text is one line that says what, where and what to do."""

    exit_status: ClassVar[int] = 2

    def __init__(self, message: str = "") -> None:
        """Hold the message, in which names that somebody chose are shown and do nothing."""
        super().__init__(one_line(message))


class InputError(TwindexError):
    """A file, an argument or a setting that cannot be read as what it should be."""


class RejectedError(InputError):
    """SQL that a server refuses."""

    def __init__(self, *, statement: str, sqlstate: str, message: str, detail: str | None = None) -> None:
        """Keep what the server said beside the one line."""
        super().__init__(f"the server rejects {statement!r}: {message}")
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail


class TwinLacksError(InputError):
    """SQL that a twin cannot run because it lacks what the captured server has, whose own answer is unknown."""

    def __init__(self, statement: str, lacks: str) -> None:
        """Say what is missing: that is not the fault of the statement."""
        super().__init__(f"{statement!r} is not examined: the twin lacks {lacks}")
        self.lacks = one_line(lacks)


class OutputError(TwindexError):
    """A result that cannot be written to stdout."""


class ConflictError(TwindexError):
    """What was asked contradicts what exists."""


class NotExaminableError(TwindexError):
    """Nothing could be examined."""

    exit_status: ClassVar[int] = 3


class UnreachableError(NotExaminableError):
    """No connection to a server; the text never contains the password."""


class CapabilityError(NotExaminableError):
    """A server or an installation lacks what the work needs."""

    def __init__(self, *, need: str, found: str, remedy: str) -> None:
        """Say what is needed, what was found and how to fix it, each a clause without a full stop."""
        super().__init__(f"{need} is required, but {found}; {remedy}")
        self.need = need
        self.found = found
        self.remedy = remedy
