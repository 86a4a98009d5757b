"""Collations: whether text sorts by its bytes, so that a prefix is a range."""

from typing import Final

from analyzer.postgres.identifiers import bare_name

#: Locales of libc that compare byte by byte.
_BYTEWISE: Final = frozenset({"C", "POSIX"})
#: In pg_catalog of each database, whatever the libraries have.
EVERYWHERE: Final = frozenset({"default", *_BYTEWISE})


def is_bytewise(collation: str | None) -> bool:
    """Say whether a collation, as SQL or the catalog writes its name, compares byte by byte."""
    return bare_name(collation) in _BYTEWISE


def is_bytewise_locale(provider: str, collate: str | None) -> bool:
    """Say whether a database sorts byte by byte: by `datlocprovider` (b builtin, c libc, i ICU) and `datcollate`."""
    return provider == "b" or (provider == "c" and collate in _BYTEWISE)
