"""Names: how long they may be, how they are quoted, and how PostgreSQL shortens and numbers them."""

import hashlib
import re
from typing import Final, NamedTuple

#: NAMEDATALEN - 1. PostgreSQL cuts a longer name with no more than a notice, and two cut names may meet.
MOST_BYTES: Final = 63
#: INDEX_MAX_KEYS of a server built as usual: keys and INCLUDE together.
MOST_KEYS: Final = 32
_DIGEST_DIGITS: Final = 8

#: Keywords that quote_ident() quotes: pg_get_keywords() of PostgreSQL 18 without category U.
QUOTED_KEYWORDS: Final = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay
    placing position precision primary real references returning right row select session_user setof similar
    smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true
    union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - a paragraph reads better than 150 quoted words
)

#: One part of a name as SQL writes it, unfolded.
PART: Final = r'(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")'
_QUALIFIERS = re.compile(rf"(?:{PART}\.)*")
#: An element of a setting such as search_path: in quotes, perhaps empty, or whatever ends before a blank or a comma.
_ELEMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s,"][^\s,]*))\s*(?:,|\Z)')


class QualifiedName(NamedTuple):
    """The name of a table, an index or any other object in a schema, unquoted; equal to the pair of its parts."""

    schema: str
    name: str


def quote(name: str) -> str:
    """Quote a name as quote_ident() does: only where it must be."""
    simple = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit() and name == name.lower()
    if simple and name not in QUOTED_KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def unquote(text: str) -> str:
    """Take the quotes off a name as SQL writes it; what has none is returned as it is, unfolded."""
    if len(text) > 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text


def listed_names(setting: str) -> tuple[str, ...]:
    """Return the names in a setting that lists some, as SplitIdentifierString() reads them; search_path is one."""
    found = _ELEMENT.finditer(setting)
    return tuple(each[1].replace('""', '"') if each[1] is not None else each[2].lower() for each in found)


def bare_name(text: str | None) -> str:
    """Return a name as SQL writes it without its schema, unquoted: `public."C.utf8"` is `C.utf8`; None is nothing."""
    return unquote(_QUALIFIERS.sub("", text or "", count=1))


def fits(name: str) -> bool:
    """Say whether PostgreSQL keeps a name as it is."""
    return len(name.encode()) <= MOST_BYTES


def clipped(text: str, size_bytes: int = MOST_BYTES) -> str:
    """Cut a text to so many bytes of UTF-8, as PostgreSQL does: at the end of a character."""
    return text.encode()[:size_bytes].decode(errors="ignore")


def with_suffix(name: str, suffix: str) -> str:
    """Append to a name; one that gets too long is cut, and keeps a digest of itself so that two do not meet."""
    if fits(name + suffix):
        return name + suffix
    suffix = f"_{digest(name)}{suffix}"
    return clipped(name, MOST_BYTES - len(suffix.encode())) + suffix


def shortened(name: str, *, of: str) -> str:
    """Cut a name so that it fits with the digest of a text."""
    return f"{clipped(name, MOST_BYTES - _DIGEST_DIGITS - 1).rstrip('_')}_{digest(of)}"


def digest(text: str) -> str:
    """Return a few digits that hardly two texts share."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def object_name(first: str, second: str, label: str) -> str:
    """Join the parts as makeObjectName() does: the longer of the first two is cut until all fits."""
    room = MOST_BYTES - len(label.encode()) - 2
    left, right = len(first.encode()), len(second.encode())
    while left + right > room:
        if left > right:
            left -= 1
        else:
            right -= 1
    return f"{clipped(first, left)}_{clipped(second, right)}_{label}"
