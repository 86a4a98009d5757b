"""Read from the literal CREATE INDEX of a step what its execution depends on."""

import hashlib
import itertools
import re

from sqlglot import tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

#: What the catalog calls nothing at all when it is the database's own.
DEFAULT_TABLESPACE = "pg_default"
_NAME_BYTES = 63
_CONCURRENT = re.compile(r"\s*CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\b", re.IGNORECASE)


def parts_of_create(create: str) -> tuple[bool, str] | None:
    """Split a CREATE INDEX into whether it is UNIQUE and the text from USING on; None when it is not one."""
    try:
        tokens = tokenize(create, read="postgres")
    except TokenError:
        return None
    unique = any(token.text.upper() == "UNIQUE" for token in tokens[:2])
    for token in tokens:
        if token.token_type is TokenType.USING:
            return unique, create[token.start :].strip()
        if token.token_type is TokenType.L_PAREN:
            return unique, "USING btree " + create[token.start :].strip()
    return None


def tablespace_of(create: str) -> str:
    """Find the tablespace a CREATE INDEX names."""
    depth = 0
    try:
        tokens = tokenize(create, read="postgres")
    except TokenError:
        return DEFAULT_TABLESPACE
    for token, following in itertools.pairwise(tokens):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and token.text.upper() == "TABLESPACE" and token.token_type is not TokenType.IDENTIFIER:
            return following.text if following.token_type is TokenType.IDENTIFIER else following.text.lower()
    return DEFAULT_TABLESPACE


def is_concurrent(create: str) -> bool:
    """Say whether the statement is a concurrent one; on a partitioned table there are none."""
    return _CONCURRENT.match(create) is not None


def temporary_name(name: str, word: str) -> str:
    """Return the name an index has while another takes its place."""
    suffix = f"_twindex_{word}"
    if len((name + suffix).encode()) <= _NAME_BYTES:
        return name + suffix
    suffix = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
    return name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
