"""SQL that takes away or builds an index, with the way back and the lock."""

import re

from analyzer.documents.findings import Remedy
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.sql import render_text

#: Of CREATE, DROP and REINDEX CONCURRENTLY, beside reads and writes.
_CONCURRENT = "SHARE UPDATE EXCLUSIVE"
_EXCLUSIVE = "ACCESS EXCLUSIVE"
_CREATE = re.compile(r"\ACREATE (UNIQUE )?INDEX ")


def drop(index: Index, *, partitioned: bool = False) -> Remedy:
    """Drop an index, that of a partitioned table at once; the server's own print of it builds it again."""
    definition = index.definition
    statement = render_text(
        "index/drop_index", schema=definition.schema, name=definition.name, concurrently=not partitioned
    )
    build = index.ddl if partitioned else _CREATE.sub(r"CREATE \1INDEX CONCURRENTLY ", index.ddl)
    return Remedy(sql=(statement,), reverse=(build,), lock=_EXCLUSIVE if partitioned else _CONCURRENT)


def create(index: IndexDef) -> Remedy:
    """Build an index beside reads and writes."""
    undo = render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True)
    return Remedy(sql=(index.ddl(concurrently=True),), reverse=(undo,), lock=_CONCURRENT)


def reindex(index: Index) -> Remedy:
    """Build an index again beside reads and writes; the new one takes its place."""
    definition = index.definition
    statement = render_text("index/reindex_index", schema=definition.schema, name=definition.name)
    return Remedy(sql=(statement,), lock=_CONCURRENT)
