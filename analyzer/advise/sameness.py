"""Say when an index makes another one unnecessary."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Index, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.lex import lex
from analyzer.sql import ident

#: Operator classes that are written though they are their type's default.
_DEFAULT_CLASSES = frozenset({"vector_l2_ops", "halfvec_l2_ops"})
#: First major version whose btree scans skip through the values of a leading key.
_SKIP_SCAN = 180000


@functools.lru_cache(maxsize=1 << 15)  # of thousands of candidates each is compared with all indexes of its table
def signature(index: IndexDef) -> object:
    """Return what makes two definitions the same to the planner: a btree read backwards is the same index."""
    keys = tuple(_key(key) for key in index.keys)
    turned = tuple(_key(key, turned=index.method == "btree") for key in index.keys)
    parameters = () if index.method == "ivfflat" else index.parameters
    include = tuple(sorted(index.include))
    return index.schema, index.table, index.method, min(keys, turned), include, _plain(index.where), parameters


def _key(key: Key, *, turned: bool = False) -> tuple[str, str, str, str, bool, bool]:
    nulls_first = key.descending if key.nulls is None else key.nulls == "first"
    opclass = bare_name(key.opclass)
    return (
        key.column or "",
        _plain(key.expression),
        "" if opclass in _DEFAULT_CLASSES else opclass,
        key.collation or "",
        key.descending != turned,
        nulls_first != turned,
    )


def _plain(sql: str | None) -> str:
    """Take off the casts and brackets that the server adds when it prints an expression."""
    if not sql:
        return ""
    bare = re.sub(r"::(\"[^\"]+\"|[a-z_.]+( varying| precision| with(out)? time zone)?)(\(\d+\))?(\[\])?", "", sql)
    return re.sub(r"[()\s]+", " ", bare).strip()


def serves(existing: Index, wanted: IndexDef, *, fixed: int = 0) -> bool:
    """Say whether an index that exists makes another one unnecessary: the same, or a longer one.

    The first `fixed` keys have one value each in what the other one is for. Their order and directions are then
    of no consequence, and the keys behind them may have all directions turned: such an index is read backwards.
    """
    return existing.valid and any(covers(each, wanted) for each in _alike_behind(existing.definition, wanted, fixed))


def _alike_behind(have: IndexDef, wanted: IndexDef, fixed: int) -> Iterator[IndexDef]:
    """Yield an index as it is, and as it is to rows that all have one value in each of the first keys."""
    yield have
    leading, rest = wanted.keys[:fixed], have.keys[fixed:]
    if have.method == wanted.method == "btree" and {*map(_plain_key, have.keys[:fixed])} == {*map(_plain_key, leading)}:
        yield replace(have, keys=(*leading, *rest))
        yield replace(have, keys=(*leading, *map(_turned, rest)))


def _plain_key(key: Key) -> tuple[str, str, str, str, bool, bool]:
    return _key(replace(key, descending=False, nulls=None))


def _turned(key: Key) -> Key:
    """Return a key as an index has it that is read backwards."""
    nulls_first = key.descending if key.nulls is None else key.nulls == "first"
    return replace(key, descending=not key.descending, nulls="last" if nulls_first else "first")


def covers(have: IndexDef, wanted: IndexDef) -> bool:
    """Say whether an index makes another one unnecessary: the same, or a longer one."""
    if have.method != wanted.method:
        return False
    if signature(have) == signature(wanted):
        return True
    if wanted.method != "btree":
        return False
    return any(_begins_alike(have, each) for each in (wanted, *_unrestricted(wanted)))


def _begins_alike(have: IndexDef, wanted: IndexDef) -> bool:
    if have.keys[0].column != wanted.keys[0].column or _conditions(have.where) != _conditions(wanted.where):
        return False
    if _begins_unique(have, wanted):
        return True
    prefix = replace(have, keys=have.keys[: len(wanted.keys)], include=(), where=None, parameters=())
    alike = signature(prefix) == signature(replace(wanted, include=(), where=None, parameters=()))
    return alike and set(wanted.include) <= {*have.columns, *have.include}


def _unrestricted(wanted: IndexDef) -> Iterator[IndexDef]:
    """Yield the whole index that finds the rows of a partial one in the same order: what is fixed leads its keys."""
    found = re.fullmatch(r"(\w+|\"[^\"]+\") = (?:'[^']*'|[0-9.]+)", _plain(wanted.where))
    if found is not None:
        column = found[1].strip('"')
        yield replace(wanted, keys=(Key(column=column), *wanted.keys), where=None)


@functools.lru_cache(maxsize=1 << 12)
def _conditions(where: str | None) -> frozenset[str]:
    """Return the conditions of a predicate without regard to their order; what is no plain AND of them is one."""
    text = _plain(where)
    is_plain = not re.search(r"\b(OR|BETWEEN|CASE)\b|'[^']*\bAND\b", text, re.IGNORECASE)
    return frozenset(re.split(r" AND ", text)) if is_plain else frozenset({text})


def _begins_unique(have: IndexDef, wanted: IndexDef) -> bool:
    """Say whether an index begins with all columns of a unique one, which finds its single row already."""
    leading = tuple(key.column for key in wanted.keys[: len(have.keys)])
    return have.unique and leading == have.columns and len(have.columns) == len(have.keys)


def finds_as_well(existing: Index, wanted: IndexDef, relation: Relation, catalog: Catalog) -> bool:
    """Say whether an index that exists finds single values as another one would, in about the same time.

    It holds every row that the other one's first key can find; or it is unique; or a scan skips through the few values
    of a key before it.
    """
    have = existing.definition
    if not existing.valid or have.method != "btree" or wanted.method != "btree":
        return False
    names = [key.column for key in wanted.keys]
    if have.unique and have.where is None and wanted.where is None and len(have.columns) == len(have.keys):
        leading = names[: len(have.keys)]
        if set(leading) == set(have.columns) and len(leading) == len(have.keys):
            return True
    first = wanted.keys[0].column
    if first is not None and have.where is not None:
        present = _conditions(wanted.where) | {f"{ident(first)} IS NOT NULL"}
        if _conditions(have.where) <= present and _conditions(wanted.where) <= _conditions(have.where):
            return covers(replace(have, where=wanted.where), wanted)
    return _skips_to(have, wanted, relation, catalog)


def _skips_to(have: IndexDef, wanted: IndexDef, relation: Relation, catalog: Catalog) -> bool:
    """Say whether skipping through the values of a leading key costs less than reading the rows of a value.

    PostgreSQL 18 counts one descent for each; ranges behind a skipped key it takes to cost far more.
    """
    skipped = have.keys[0].column
    if catalog.snapshot.server.version_num < _SKIP_SCAN or skipped is None or len(have.keys) < 2:
        return False
    if skipped in wanted.columns or not covers(replace(have, keys=have.keys[1:], unique=False), wanted):
        return False
    rows = catalog.rows(relation)
    for column in wanted.columns:
        rows /= max(catalog.distinct(relation, column), 1.0)
    return catalog.distinct(relation, skipped) <= rows / 2


def places(index: IndexDef, snapshot: Snapshot) -> tuple[object, ...]:
    """Return an order of indexes that does not depend on what tables and columns are called, as far as it goes."""
    relation = snapshot.relation(index.schema, index.table)
    numbers = {each.name: each.number for each in relation.columns} if relation is not None else {}
    keys = tuple(numbers.get(key.column or "", 0) for key in index.keys)
    include = tuple(sorted(numbers.get(each, 0) for each in index.include))
    oid = relation.oid if relation is not None else 0
    texts = tuple(_numbered(text or "", numbers) for text in (*(key.expression for key in index.keys), index.where))
    orders = tuple((key.opclass or "", key.collation or "", key.descending, key.nulls or "") for key in index.keys)
    return oid, len(keys), keys, include, index.method, texts, orders, index.name


def _numbered(text: str, numbers: Mapping[str, int]) -> tuple[str, ...]:
    """Return the tokens of an expression, with the numbers of columns instead of their names."""
    return tuple(
        str(numbers[token.name]) if token.kind in ("word", "quoted") and token.name in numbers else token.text
        for token in lex(text)
    )
