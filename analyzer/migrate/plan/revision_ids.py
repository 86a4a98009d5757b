"""Identifiers of revisions: a project's own numbers go on, anything else is Alembic's to choose."""

import itertools
import re
from collections.abc import Collection

from alembic.util import rev_id

_SEQUENTIAL = re.compile(r"[0-9]{2,8}")


def following(revision: str | None, taken: Collection[str]) -> str:
    """Continue a project's 0001, 0002, …; otherwise choose as Alembic does."""
    if revision is None or not _SEQUENTIAL.fullmatch(revision):
        return rev_id()
    numbers = (str(number).zfill(len(revision)) for number in itertools.count(int(revision) + 1))
    return next(number for number in numbers if number not in taken)
