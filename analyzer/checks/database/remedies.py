"""SQL that takes away or builds an index, with the way back and the lock."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from analyzer.catalog import Catalog
from analyzer.documents.findings import Remedy
from analyzer.documents.snapshot import Index, Relation, Server
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
    """Build an index again beside reads and writes; that of an exclusion constraint is locked while it is built.

    None where the server's concurrent builds corrupt indexes (bug #17485).
    """
    exclusion = index.constraint is not None and not index.definition.unique
    if not exclusion and 140_000 <= version_num < _FIXED_14:
        return None
    name = {"schema": index.definition.schema, "name": index.definition.name}
    statement = render_text("index/reindex_index", **name, concurrently=not exclusion)
    return Remedy(sql=(statement,), lock=_EXCLUSIVE if exclusion else _CONCURRENT)


def refresh(indexes: Sequence[Index], collation: str | None, server: Server) -> Remedy | None:
    """Build indexes again, then record the version of their collation; None is the default of the database."""
    built = [rebuild(each, server.version_num) for each in indexes]
    possible = [each for each in built if each is not None]
    if len(possible) < len(built):
        return None
    record = render_text("index/refresh_collation", collation=collation, database=server.database)
    return Remedy(
        sql=(*(statement for each in possible for statement in each.sql), record),
        lock=_EXCLUSIVE if any(each.lock == _EXCLUSIVE for each in possible) else _CONCURRENT,
    )


def rebuild_with(
    index: Index,
    version_num: int,
    parameters: Mapping[str, str],
    before: Mapping[str, str],
    *,
    lock: str = _CONCURRENT,
) -> Remedy | None:
    """Set storage parameters, and build the index again by them; the way back sets those `before`.

    `lock` is what the server takes to set them.
    """
    built = rebuild(index, version_num)
    if built is None:
        return None
    after, back = (
        render_text("index/set_parameters", schema=index.definition.schema, name=index.definition.name, parameters=each)
        for each in (parameters, before)
    )
    return Remedy(sql=(after, *built.sql), reverse=(back, *built.sql), lock=lock)


def free_name(name: str, relation: Relation, catalog: Catalog) -> str:
    """Return a name for an index that no table or index of its schema has."""
    for number in itertools.count(1):
        free = name if number == 1 else with_suffix(name, f"_{number}")
        found = QualifiedName(relation.schema_name, free)
        if catalog.index(*found) is None and found not in catalog.relations:
            return free
    raise AssertionError
