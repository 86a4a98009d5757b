"""Find what an interrupted build, replacement or drop left, on whatever table it is now."""

from collections.abc import Iterator, Sequence

from analyzer.documents.snapshot import Index, Snapshot
from analyzer.objects.temporary_names import MARK, has_temporary_name, kept_until
from analyzer.sql import ident, render_text


def find_leftovers(indexes: Sequence[Index], snapshot: Snapshot) -> Iterator[tuple[Index, str]]:
    """Yield indexes that are INVALID, marked by a deploy, or have a name that it gives for a while, and what to do."""
    for index in indexes:
        definition = index.definition
        name = ident(definition.schema, definition.name)
        if index.parent is not None:
            if not index.valid:
                whole = ident(*index.parent)
                yield index, f"{name} is an INVALID part of {whole}; run REINDEX INDEX CONCURRENTLY {name}"
            continue
        if is_kept(index, snapshot):
            continue
        table = snapshot.relation(*definition.full_table)
        concurrently = table is None or table.kind != "p"
        why = _why(index, partitioned=not concurrently)
        if why is not None:
            drop = render_text(
                "index/drop_index", schema=definition.schema, name=definition.name, concurrently=concurrently
            )
            yield index, f"{name} of {definition.qualified_table} {why}; run alembic upgrade again, or {drop}"


def is_kept(index: Index, snapshot: Snapshot) -> bool:
    """Say whether an index was replaced and is kept for a while, which had not ended when the snapshot was taken."""
    until = kept_until(index.comment)
    return until is not None and index.valid and snapshot.captured_at < until


def _why(index: Index, *, partitioned: bool) -> str | None:
    marked = index.comment is not None and index.comment.startswith(MARK)
    if marked:
        return f"was left by a deploy ({index.comment})"
    if not index.valid and partitioned:
        return "is INVALID until ALTER INDEX … ATTACH PARTITION has attached to it an index of every partition"
    if not index.valid:
        return "is INVALID, left by an interrupted build or drop, or another session is building it now"
    if has_temporary_name(index.definition.name):
        return "has a temporary name of a deploy, and no comment that says what it is for"
    return None
