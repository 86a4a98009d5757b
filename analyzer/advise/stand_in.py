"""Say which index can take the place of another one for every statement, whatever that is.

Definitions are compared as the server prints them, part by part and without regard to spelling: operator class and its
parameters, collation, direction, place of NULLs and predicate must be the same.
"""

from dataclasses import replace

from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import Twin


def stands_in(have: IndexDef, wanted: IndexDef) -> bool:
    """Say whether an index finds all that another one finds, in the same order, and has all of its columns.

    A btree does for one whose keys it begins with, also where it is read backwards; any other method for its like.
    """
    if (have.full_table, have.method, have.where) != (wanted.full_table, wanted.method, wanted.where):
        return False
    if not set(wanted.include) <= {*have.columns, *have.include}:
        return False
    if have.method != "btree":
        return have.keys == wanted.keys and have.parameters == wanted.parameters
    begins = have.keys[: len(wanted.keys)]
    return wanted.keys in (begins, tuple(map(_backwards, begins)))


def added_columns(new: IndexDef, old: IndexDef) -> tuple[str, ...]:
    """Return the columns of an index beyond those of the one it stands in for."""
    held = {*old.columns, *old.include}
    keys = (key.column or key.expression or "" for key in new.keys[len(old.keys) :])
    return tuple(name for name in dict.fromkeys((*keys, *new.include)) if name not in held)


def as_printed(index: IndexDef, twin: Twin) -> IndexDef:
    """Return a definition as the server prints it; asking takes time, and plain columns have one spelling."""
    is_plain = not index.expressions and all(key.opclass is None and key.collation is None for key in index.keys)
    return index if is_plain else twin.printed(index)


def _backwards(key: Key) -> Key:
    nulls_first = key.descending if key.nulls is None else key.nulls == "first"
    return replace(key, descending=not key.descending, nulls="last" if nulls_first else "first")
