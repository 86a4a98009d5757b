"""TX212 and TX213: what one index repeats of another, and what a materialised view lacks."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.checks.rule import NEEDS_TABLE, Answer, Rule, Subject, Violation
from analyzer.objects.index import IndexDef, Key

_MOST_KEYS = 3


def _redundant(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if len(index.keys) > _MOST_KEYS and not index.unique and index.method in ("btree", "gist"):
        yield Violation(
            message=f"{len(index.keys)} keys: the fourth and further ones seldom narrow a search and always slow down "
            "writes",
            at=("keys", _MOST_KEYS),
            rewrite="remove the last ones, or use include if they are only read",
        )
    for number, name in enumerate(index.include):
        if name in index.columns:
            fix = replace(index, include=tuple(each for each in index.include if each not in index.columns))
            yield Violation(message=f"{name} is both a key and included", at=("include", number), fix=fix)
    own = canonical(subject)
    for other, where, declared in _others(subject):
        # Of two declared indexes that cover each other one is named; one that exists already is always the other.
        if covers(other, own) and not (declared and covers(own, other) and _stays(own, other)):
            same = "the same as" if other == own else "covered by"
            rewrite = "keep one of the two"
            yield Violation(message=f"{index.name} is {same} {other.name} ({where})", at=("keys",), rewrite=rewrite)
    if subject.known is None:
        yield NEEDS_TABLE


def canonical(subject: Subject) -> IndexDef:
    """Return the server's own text of the index, when it was built."""
    return subject.built if isinstance(subject.built, IndexDef) else subject.index


def _others(subject: Subject) -> Iterator[tuple[IndexDef, str, bool]]:
    """Yield the other indexes of the table: declared ones, and those that exist and no spec names."""
    for other in subject.others:
        yield canonical(other), f"{other.entry.declared.file}:{other.entry.declared.line}", True
    if subject.known is None or subject.relation is None:
        return
    declared = {each.index.name for each in (subject, *subject.others)}
    for found in subject.known.catalog.indexes(subject.relation):
        if found.valid and found.definition.name not in declared:
            yield subject.known.printed(found.definition), "in the database", False


def covers(large: IndexDef, small: IndexDef) -> bool:
    """Say whether `large` serves every search `small` serves: then `small` is not needed.

    Sort order, operator class and collation count; a btree read backwards is the same index; what is unique is never
    covered by another, since it keeps a promise beside serving searches.
    """
    if small.method != large.method or small.where != large.where or (small.unique and not large.unique):
        return False
    if small.method != "btree" or small.unique:
        return small == large or (small.keys == large.keys and set(small.include) <= set(large.include))
    if not set(small.include) <= {*large.columns, *large.include}:
        return False
    beginning = large.keys[: len(small.keys)]
    return small.keys in (beginning, tuple(_backwards(key) for key in beginning))


def _stays(own: IndexDef, other: IndexDef) -> bool:
    if own.unique != other.unique:
        return own.unique
    return own.name < other.name


def _backwards(key: Key) -> Key:
    first = key.nulls == "first" if key.nulls is not None else key.descending
    return replace(key, descending=not key.descending, nulls="last" if first else "first")


def _unrefreshable(subject: Subject) -> Iterator[Answer]:
    if subject.known is None:
        yield NEEDS_TABLE
        return
    relation = subject.relation
    if relation is None or relation.kind != "m" or _refreshes(subject.index):
        return
    declared = [other.index for other in subject.others]
    others = declared + [each.definition for each in subject.known.catalog.indexes(relation)]
    first = min((other.name for other in declared), default="~")
    if not any(_refreshes(other) for other in others) and subject.index.name < first:
        yield Violation(
            message=f"{subject.index.qualified_table} is a materialised view without a unique index over plain columns:"
            " it cannot be refreshed concurrently",
            rewrite="declare one, unique: true, over the columns that identify its rows",
        )


def _refreshes(index: IndexDef) -> bool:
    return index.unique and index.where is None and all(key.column is not None for key in index.keys)


RULES = (
    Rule(
        code="TX212", name="redundant-index", aliases=("redundant",), severity="warning",
        title="index is covered by another one, or has keys that do not help", check=_redundant,
    ),
    Rule(
        code="TX213", name="refresh-not-concurrent", severity="warning",
        title="materialized view has no unique index for REFRESH CONCURRENTLY", check=_unrefreshable,
    ),
)  # fmt: skip
