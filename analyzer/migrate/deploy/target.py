"""What a step of a revision is about, and the error that ends a deploy."""

from dataclasses import dataclass, replace
from datetime import timedelta

from alembic.util import CommandError

from analyzer.errors import ConflictError
from analyzer.postgres.schema_patterns import Schemas
from analyzer.sql import ident

#: What a shell reports of a program that Ctrl-C ended.
INTERRUPTED = 130


class DeployError(ConflictError, CommandError):
    """A ConflictError in a deploy; Alembic prints its own CommandErrors as one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An object that a step is about, and the literal statement of the step."""

    schema: str
    table: str
    name: str
    sql: str
    #: PostgreSQL's notation, such as 10min.
    lock_timeout: str
    #: Name afterwards, of a rename.
    new_name: str | None = None
    #: What the server is expected to print of the object, when known.
    definition: str | None = None
    #: Statements that follow and may be repeated: comment and statistics targets.
    attributes: tuple[str, ...] = ()
    #: The statement that makes the index a constraint's, once it is built.
    constraint: str | None = None
    #: Settings of the building session.
    settings: tuple[tuple[str, str], ...] = ()
    #: For how long the index that it replaces stays, valid, for the way back.
    keep_old: timedelta | None = None
    #: The schemas that it is one of, in which there is nothing to do once the table is dropped.
    schemas: Schemas | None = None

    @property
    def qualified_name(self) -> str:
        """Return the object's name, quoted and qualified."""
        return ident(self.schema, self.name)

    @property
    def qualified_table(self) -> str:
        """Return the table's name, quoted and qualified."""
        return ident(self.schema, self.table)

    def session(self) -> dict[str, str]:
        """Return every setting the step changes while it runs."""
        return {"lock_timeout": self.lock_timeout, "statement_timeout": "0"} | dict(self.settings)

    def named(self, name: str) -> "Target":
        """Return the target of another name, to look at or to drop."""
        return replace(self, name=name, definition=None)
