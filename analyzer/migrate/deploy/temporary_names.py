"""Names an index has for a while, and the comment that says whose it is."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from analyzer.sql import ident

_NAME_BYTES = 63
_CONCURRENT_LEFTOVER = re.compile(r"(?P<base>.+)(?P<suffix>_cc(new|old)\d*)", re.DOTALL)

Word = Literal["new", "old"]
_SENTENCES: dict[Word, str] = {
    "new": "twindex: being built to take the place of {}",
    "old": "twindex: replaced, was {}",
}


def temporary_name(name: str, word: Word) -> str:
    """Return the name an index has while another takes its place; it fits PostgreSQL's 63 bytes."""
    suffix = f"_twindex_{word}"
    if len((name + suffix).encode()) <= _NAME_BYTES:
        return name + suffix
    suffix = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
    return _clipped(name, _NAME_BYTES - len(suffix)) + suffix


def mark(schema: str, name: str, word: Word) -> str:
    """Return the comment of an index that is there for a while, on behalf of another."""
    return _SENTENCES[word].format(ident(schema, name))


def marks(schema: str, name: str) -> frozenset[str]:
    """Return every comment that says an index is there on behalf of this one."""
    return frozenset(mark(schema, name, word) for word in _SENTENCES)


def is_concurrent_leftover(name: str, of: str) -> bool:
    """Say whether REINDEX CONCURRENTLY left an index of this name: `_ccnew`, `_ccold`, numbered when those were taken.

    PostgreSQL cuts the first part so that the whole fits 63 bytes.
    """
    found = _CONCURRENT_LEFTOVER.fullmatch(name)
    return found is not None and found["base"] == _clipped(of, _NAME_BYTES - len(found["suffix"]))


def partition_names(table: str, columns: Iterable[str]) -> Iterator[str]:
    """Yield the names PostgreSQL would try for an index of a partition, `table_column_column_idx` and then numbered.

    Source: makeObjectName, ChooseIndexNameAddition and ChooseRelationName of PostgreSQL.
    """
    addition = ""
    for column in columns:
        addition += ("_" if addition else "") + column
        if len(addition.encode()) > _NAME_BYTES:
            break
    addition = _clipped(addition, _NAME_BYTES)
    yield _object_name(table, addition, "idx")
    number = 0
    while True:
        number += 1
        yield _object_name(table, addition, f"idx{number}")


def free_name(candidates: Iterable[str], taken: Collection[str]) -> str:
    """Return the first name that nobody has."""
    return next(name for name in candidates if name not in taken)


def _object_name(first: str, second: str, label: str) -> str:
    """Join the parts, the longer of the first two cut until all fits."""
    room = _NAME_BYTES - len(label.encode()) - 2
    left, right = len(first.encode()), len(second.encode())
    while left + right > room:
        if left > right:
            left -= 1
        else:
            right -= 1
    return f"{_clipped(first, left)}_{_clipped(second, right)}_{label}"


def _clipped(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
