"""Collations: whether text sorts by its bytes, so that a prefix is a range."""

import re
from typing import Final

from analyzer.postgres.identifiers import unquote

#: Locales of libc that compare byte by byte.
_LOCALES: Final = frozenset({"C", "POSIX"})
#: Collations of pg_catalog that do: those of these locales, and those of the builtin provider.
_BYTEWISE: Final = frozenset({*_LOCALES, "ucs_basic", "pg_c_utf8", "pg_unicode_fast"})
#: In pg_catalog of each database, whatever the libraries have.
EVERYWHERE: Final = frozenset({"default", *_LOCALES})
_CATALOG: Final = re.compile(r'\A(?:pg_catalog|"pg_catalog")\.')


def is_bytewise(collation: str | None) -> bool:
    """Say whether a collation, as SQL or the catalog writes its name, compares byte by byte."""
    return _in_catalog(collation) in _BYTEWISE


def is_default(collation: str | None) -> bool:
    """Say whether a collation is that of the database."""
    return collation is None or _in_catalog(collation) == "default"


def _in_catalog(collation: str | None) -> str | None:
    """Return the name of a collation of PostgreSQL itself, unquoted; another schema may have one of that name."""
    bare = _CATALOG.sub("", collation or "", count=1)
    is_one = re.fullmatch(r'"(?:[^"]|"")*"|[^".]*', bare) is not None
    return unquote(bare) if is_one else None


def is_bytewise_locale(provider: str, collate: str | None) -> bool:
    """Say whether a database sorts byte by byte: by `datlocprovider` (b builtin, c libc, i ICU) and `datcollate`."""
    return provider == "b" or (provider == "c" and collate in _LOCALES)
