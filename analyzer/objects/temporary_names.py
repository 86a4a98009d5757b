"""Names an index has for a while, and the comment that says whose it is."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from analyzer.postgres.identifiers import MOST_BYTES, clipped, fits, object_name, with_suffix
from analyzer.sql import ident

_CONCURRENT_LEFTOVER = re.compile(r"(?P<base>.+)(?P<suffix>_cc(new|old)\d*)", re.DOTALL)

Word = Literal["new", "old"]
#: How the comment of an index that is there for a while begins.
MARK = "twindex: "
_SENTENCES: dict[Word, str] = {
    "new": MARK + "being built to take the place of {}",
    "old": MARK + "replaced, was {}",
}

#: What follows in the comment of a replaced index that is kept for a while.
KEPT = "; kept until "
_KEPT = re.compile(re.escape(KEPT) + r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00)\Z")
_TIME = "%Y-%m-%d %H:%M:%S+00"


def temporary_name(name: str, word: Word) -> str:
    """Return the name an index has while another takes its place; it fits PostgreSQL's 63 bytes."""
    return with_suffix(name, f"_twindex_{word}")


def mark(schema: str, name: str, word: Word) -> str:
    """Return the comment of an index that is there for a while, on behalf of another."""
    return _SENTENCES[word].format(ident(schema, name))


def kept_mark(schema: str, name: str, until: datetime) -> str:
    """Return the comment of a replaced index that is kept until a time."""
    return mark(schema, name, "old") + KEPT + until.astimezone(UTC).strftime(_TIME)


def kept_until(comment: str | None) -> datetime | None:
    """Return until when an index is kept by its comment; None when it is not one that is."""
    found = _KEPT.search(comment or "")
    if found is None or not is_replaced(comment):
        return None
    try:
        return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_on_behalf(comment: str | None, schema: str, name: str) -> bool:
    """Say whether a comment is that of an index that is there on behalf of this one, kept or not."""
    return comment is not None and _KEPT.sub("", comment) in marks(schema, name)


def is_temporary(name: str, comment: str | None) -> bool:
    """Say whether name and comment say that a deploy made an index, and will drop it: no spec is to declare it."""
    return has_temporary_name(name) and comment is not None and comment.startswith(MARK)


def marks(schema: str, name: str) -> frozenset[str]:
    """Return every comment that says an index is there on behalf of this one."""
    return frozenset(mark(schema, name, word) for word in _SENTENCES)


def is_replaced(comment: str | None) -> bool:
    """Say whether a comment is that of an index whose place another has taken."""
    return comment is not None and comment.startswith(_SENTENCES["old"].format(""))


def has_temporary_name(name: str) -> bool:
    """Say whether a name looks like one that an index has while another takes its place."""
    return name.endswith(tuple(temporary_name("", word) for word in _SENTENCES))


def is_concurrent_leftover(name: str, of: str) -> bool:
    """Say whether REINDEX CONCURRENTLY left an index of this name: `_ccnew`, `_ccold`, numbered when those were taken.

    PostgreSQL cuts the first part so that the whole fits 63 bytes.
    """
    found = _CONCURRENT_LEFTOVER.fullmatch(name)
    return found is not None and found["base"] == clipped(of, MOST_BYTES - len(found["suffix"]))


def partition_names(table: str, columns: Iterable[str]) -> Iterator[str]:
    """Yield the names PostgreSQL would try for an index of a partition, `table_column_column_idx` and then numbered.

    Source: makeObjectName, ChooseIndexNameAddition and ChooseRelationName of PostgreSQL.
    """
    addition = ""
    for column in columns:
        addition += ("_" if addition else "") + column
        if not fits(addition):
            break
    addition = clipped(addition)
    yield object_name(table, addition, "idx")
    number = 0
    while True:
        number += 1
        yield object_name(table, addition, f"idx{number}")
