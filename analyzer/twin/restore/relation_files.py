"""Give the empty files of relations the sizes the planner is to see, and indexes the first pages it reads."""

from collections.abc import Iterable, Mapping
from typing import Any

from analyzer.db import Connection
from analyzer.documents.snapshot import GinPages, Index, Snapshot
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.sql import render
from analyzer.twin.predict.index_size import IndexSize, predict_size
from analyzer.twin.server.file_access import Storage
from analyzer.twin.server.relation_pages import Edit
from analyzer.twin.server.sessions import Sessions

#: Methods whose first page says more than its length; where the server may have it in a buffer already, the file is
#: renamed (see renumber): 14 to 17 have nothing that drops a buffer.
_WITH_FIRST_PAGES = frozenset({"btree", "brin", "gin"})
#: Added to an oid for the name of a renamed file; nothing else on a throw-away cluster gets so far.
_RENAMED = 3_000_000_000


def restore_sizes(sessions: Sessions, storage: Storage, snapshot: Snapshot, rows: Iterable[Mapping[str, Any]]) -> None:
    """Give tables and indexes the captured sizes; rows are those of `twin/storage`."""
    sessions.superuser.execute(render("twin/checkpoint"))
    relations = {(r.schema_name, r.name): r for r in snapshot.relations}
    indexes = {(i.definition.schema, i.definition.name): i for i in snapshot.indexes}
    files = RelationFiles(sessions.superuser, storage)
    for row in rows:
        key = (row["schema_name"], row["name"])
        if (index := indexes.get(key)) is not None:
            table = relations.get(index.definition.full_table)
            heap_blocks = ((table.size_bytes or 0) if table else 0) // BLOCK_BYTES
            files.write_index(row, row["method"], _known_size(index, snapshot), heap_blocks=heap_blocks, gin=index.gin)
        elif (relation := relations.get(key)) is not None:
            files.extend(row, (relation.size_bytes or 0) // BLOCK_BYTES)
    files.finish()


def _known_size(index: Index, snapshot: Snapshot) -> IndexSize:
    pages = (index.size_bytes or 0) // BLOCK_BYTES
    height = index.height or 0
    if index.height is None and index.definition.method == "btree" and pages > 2:
        height = predict_size(index.definition, snapshot).height
    return IndexSize(pages=pages, tuples=index.tuples, height=height)


class RelationFiles:
    """Give the files of empty indexes the size, and the metapage, that the planner is to see.

    Their pages must have been written (CHECKPOINT). Nothing is touched before `finish`: to plan on a table opens all of
    its indexes.
    """

    def __init__(self, superuser: Connection, storage: Storage) -> None:
        self._superuser = superuser
        self._storage = storage
        self._renamed: dict[int, int] = {}
        self._edits: list[Edit] = []

    def write_index(
        self, row: Mapping[str, Any], method: str, size: IndexSize, *, heap_blocks: int, gin: GinPages | None = None
    ) -> None:
        """Give one index its size and first pages; the row has its `oid` and the `path` of its file."""
        number = None
        if method in _WITH_FIRST_PAGES:
            number = self._renamed[row["oid"]] = _RENAMED + int(row["oid"])
        counted = gin or size.gin
        is_gin = method not in {"btree", "brin"} and counted is not None
        self._edits.append(
            Edit(
                path=row["path"],
                number=number,
                blocks=size.pages,
                # Of fewer pages there is a metapage alone, and writing more would make it longer.
                btree_height=size.height if method == "btree" and size.pages > 1 else None,
                brin_heap_blocks=heap_blocks if method == "brin" else None,
                gin=_gin(counted) if is_gin and counted is not None else None,
            )
        )

    def extend(self, row: Mapping[str, Any], blocks: int) -> None:
        """Give a table its size."""
        self._edits.append(Edit(path=row["path"], blocks=blocks))

    def finish(self) -> None:
        """Write all of it and let the server see it; raises CapabilityError where it cannot be written."""
        self._storage.edit(self._edits)
        values = {"oids": list(self._renamed), "numbers": list(self._renamed.values())}
        self._superuser.execute(render("twin/renumber"), values)


def _gin(pages: GinPages) -> tuple[int, int, int, int]:
    return pages.pending_pages, pages.entry_pages, pages.data_pages, pages.entries
