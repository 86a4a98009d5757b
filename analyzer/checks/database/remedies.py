"""SQL that takes away or builds an index, with the way back and the lock."""

import itertools
import re
from collections.abc import Iterator, Sequence

from analyzer.catalog import Catalog
from analyzer.documents.findings import Remedy
from analyzer.documents.snapshot import Index, Relation
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName, with_suffix
from analyzer.sql import render_text

#: Of CREATE, DROP and REINDEX CONCURRENTLY, beside reads and writes.
_CONCURRENT = "SHARE UPDATE EXCLUSIVE"
_EXCLUSIVE = "ACCESS EXCLUSIVE"
#: The first release of 14 whose concurrent builds miss no row.
_FIXED_14 = 140_004
_CREATE = re.compile(r"\ACREATE (UNIQUE )?INDEX ")


def drop(tree: Sequence[Index], *, partitioned: bool = False) -> Remedy:
    """Drop an index, that of a partitioned table at once with its parts, which follow it in the tree.

    The server's own print builds each again, the parts under their own names.
    """
    definition = tree[0].definition
    statement = render_text(
        "index/drop_index", schema=definition.schema, name=definition.name, concurrently=not partitioned
    )
    back = itertools.chain.from_iterable(_built_again(each, partitioned=partitioned) for each in tree)
    return Remedy(sql=(statement,), reverse=tuple(back), lock=_EXCLUSIVE if partitioned else _CONCURRENT)


def _built_again(index: Index, *, partitioned: bool) -> Iterator[str]:
    definition = index.definition
    name = {"schema": definition.schema, "name": definition.name}
    if definition.tablespace is not None and " ON ONLY " not in index.ddl:  # pg_get_indexdef() leaves it out
        yield definition.ddl(concurrently=not partitioned)
    else:
        yield index.ddl if partitioned else _CREATE.sub(r"CREATE \1INDEX CONCURRENTLY ", index.ddl)
    if index.comment is not None:
        yield render_text("index/comment", **name, comment=index.comment)
    for position, target in index.statistics_targets:
        yield render_text("index/set_statistics", **name, position=position, target=target)
    if index.parent is not None:
        yield attach(index.parent, definition)


def attach(parent: tuple[str, str], part: IndexDef) -> str:
    """Return the statement that makes an index a part of that of a partitioned table."""
    schema, name = parent
    return render_text(
        "online/attach_index", schema=schema, name=name, partition_schema=part.schema, partition_name=part.name
    )


def create(index: IndexDef) -> Remedy:
    """Build an index beside reads and writes."""
    undo = render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True)
    return Remedy(sql=(index.ddl(concurrently=True),), reverse=(undo,), lock=_CONCURRENT)


def rebuild(index: Index, version_num: int) -> Remedy | None:
    """Build an index again; None where the server's concurrent builds corrupt indexes (bug #17485)."""
    return None if 140_000 <= version_num < _FIXED_14 else reindex(index)


def reindex(index: Index) -> Remedy:
    """Build an index again beside reads and writes; that of an exclusion constraint is locked while it is built."""
    definition = index.definition
    exclusion = index.constraint is not None and not definition.unique
    statement = render_text(
        "index/reindex_index", schema=definition.schema, name=definition.name, concurrently=not exclusion
    )
    return Remedy(sql=(statement,), lock=_EXCLUSIVE if exclusion else _CONCURRENT)


def refresh(indexes: Sequence[Index], collation: str | None, database: str) -> Remedy:
    """Build indexes again, then record the version of their collation; None is the default of the database."""
    record = render_text("index/refresh_collation", collation=collation, database=database)
    built = [reindex(each) for each in indexes]
    locks = {each.lock for each in built}
    return Remedy(
        sql=(*(statement for each in built for statement in each.sql), record),
        lock=_EXCLUSIVE if _EXCLUSIVE in locks else _CONCURRENT,
    )


def deduplicate(index: Index, version_num: int) -> Remedy | None:
    """Gather equal keys from now on, and build the index again for those that it has."""
    definition, built = index.definition, rebuild(index, version_num)
    if built is None:
        return None
    on, off = (
        render_text("index/set_deduplication", schema=definition.schema, name=definition.name, on=value)
        for value in (True, False)
    )
    return Remedy(sql=(on, *built.sql), reverse=(off, *built.sql), lock=built.lock)


def free_name(name: str, relation: Relation, catalog: Catalog) -> str:
    """Return a name for an index that no table or index of its schema has."""
    for number in itertools.count(1):
        free = name if number == 1 else with_suffix(name, f"_{number}")
        found = QualifiedName(relation.schema_name, free)
        if catalog.index(*found) is None and found not in catalog.relations:
            return free
    raise AssertionError
