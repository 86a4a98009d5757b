"""One statement of the workload: what is sent, how often, and what it is asked about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Executable

from analyzer.demo.client import Asker

Parameters = dict[str, Any]
Kind = Literal["read", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSpec:
    """One statement of the workload."""

    name: str
    #: How often, relative to the others.
    weight: int
    kind: Kind = "read"
    #: Built with SQLAlchemy; None when it is the template of the same name.
    built: Executable | None = None
    parameters: Callable[[Asker], Parameters]
    #: Whether psycopg prepares it: None after a few calls; never where the best plan depends on the values.
    prepare: bool | None = None
    #: The statement that makes what this one deletes.
    undoes: str | None = None
