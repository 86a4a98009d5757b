"""Give empty relations the size, and indexes the shape, that the planner saw on the captured server.

The planner asks the file system how long a relation is and reads the first page of some indexes; it never reads rows
but for an index's extremes. Files are only ever extended: truncating one under a running server is not safe.
"""

import os
import struct
from pathlib import Path

from analyzer.capture.snapshot import GinPages

BLOCK_BYTES = 8192
#: Blocks in one segment file, 1 GiB.
SEGMENT_BLOCKS = 131_072

# src/include/storage/bufpage.h: lsn, checksum, flags, lower, upper, special, size and layout version, prune xid.
_PAGE_HEADER = struct.Struct("<QHHHHHHI")
_LAYOUT_VERSION = 4
# src/include/access/nbtree.h: BTPageOpaqueData (prev, next, level, flags, cycle id) and BTMetaPageData up to fastlevel.
_BTREE_OPAQUE = struct.Struct("<IIIHH")
_BTREE_META = struct.Struct("<IIIIII")
_BTREE_MAGIC = 0x053162
_BTP_LEAF, _BTP_ROOT = 1, 2
# A downlink without key columns: block number (high, low), offset number, info = size 8 with INDEX_ALT_TID_MASK.
_MINUS_INFINITY = struct.Struct("<HHHH")
# src/include/access/brin_page.h: magic, version, pages per range, last revmap page.
_BRIN_META = struct.Struct("<IIII")
# src/include/access/ginblock.h: GinMetaPageData from nPendingPages to nEntries, behind head, tail and tail's free size.
_GIN_META = struct.Struct("<IqIIIxxxxq")
_GIN_META_OFFSET = _PAGE_HEADER.size + 12
#: REVMAP_PAGE_MAXITEMS: (8192 - 24 - 8) / 6.
_BRIN_REVMAP_ITEMS = 1360


def extend(path: Path, blocks: int) -> None:
    """Make a relation at least that many blocks long, sparse, in segments of 1 GiB."""
    full, rest = divmod(blocks, SEGMENT_BLOCKS)
    for segment in range(full + 1):
        wanted = (SEGMENT_BLOCKS if segment < full else rest) * BLOCK_BYTES
        part = path if segment == 0 else path.with_name(f"{path.name}.{segment}")
        if segment and not wanted:
            break
        with part.open("ab") as file:
            found = os.fstat(file.fileno())
            if found.st_size < wanted:
                file.truncate(wanted)
            if segment and os.geteuid() == 0:  # the account PostgreSQL runs under must be able to open it
                owner = path.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)


def plant_btree(path: Path, height: int) -> None:
    """Give a btree that many levels above its leaves: a chain of pages that leads from the root to the one real leaf.

    The cost model charges every descent by the height it reads from the metapage (btcostestimate), so a tree that is
    too low is too cheap. The leaf keeps the rows it has; where the index is empty an empty leaf is made.
    """
    with path.open("r+b") as file:
        meta = bytearray(file.read(BLOCK_BYTES))
        magic, version, root, level, _, _ = _BTREE_META.unpack_from(meta, _PAGE_HEADER.size)
        if magic != _BTREE_MAGIC:
            raise ValueError(f"{path} is not a btree")
        if level:
            return
        leaf = root or 1
        if root:
            file.seek(leaf * BLOCK_BYTES)
            page = bytearray(file.read(BLOCK_BYTES))
        else:
            page = _btree_page(level=0)
        _set_root(page, is_root=height == 0)
        _write(file.fileno(), leaf, page)
        child = leaf
        for above in range(1, height + 1):
            page = _btree_page(level=above, downlink=child)
            _set_root(page, is_root=above == height)
            child = leaf + above
            _write(file.fileno(), child, page)
        _BTREE_META.pack_into(meta, _PAGE_HEADER.size, magic, version, child, height, child, height)
        _write(file.fileno(), 0, meta)


def plant_brin(path: Path, heap_blocks: int) -> None:
    """Tell a BRIN index how many pages its range map has for a heap of that many blocks."""
    with path.open("r+b") as file:
        meta = bytearray(file.read(BLOCK_BYTES))
        magic, version, pages_per_range, last = _BRIN_META.unpack_from(meta, _PAGE_HEADER.size)
        ranges = -(-heap_blocks // pages_per_range)
        last = max(last, 1, -(-ranges // _BRIN_REVMAP_ITEMS))
        _BRIN_META.pack_into(meta, _PAGE_HEADER.size, magic, version, pages_per_range, last)
        _write(file.fileno(), 0, meta)


def plant_gin(path: Path, gin: GinPages, pages: int) -> None:
    """Tell a GIN index of that many pages what its planner takes it to hold (gincostestimate).

    Numbers that the planner would not take from a metapage, or would cut, are the ones it makes up for itself; it does
    where the metapage gives none.
    """
    total = entry_pages = data_pages = entries = 0
    if gin.pending_pages + gin.entry_pages + gin.data_pages <= pages:
        # The rows that hold the extremes may have made a very small index longer; the planner scales by the length.
        total = max(pages, path.stat().st_size // BLOCK_BYTES)
        entry_pages, data_pages, entries = gin.entry_pages, gin.data_pages, gin.entries
    with path.open("r+b") as file:
        meta = bytearray(file.read(BLOCK_BYTES))
        _GIN_META.pack_into(meta, _GIN_META_OFFSET, gin.pending_pages, 0, total, entry_pages, data_pages, entries)
        _write(file.fileno(), 0, meta)


def brin_pages_per_range(path: Path) -> int:
    """Read a BRIN index's pages per range from its metapage."""
    with path.open("rb") as file:
        return int(_BRIN_META.unpack_from(file.read(BLOCK_BYTES), _PAGE_HEADER.size)[2])


def _btree_page(*, level: int, downlink: int | None = None) -> bytearray:
    page = bytearray(BLOCK_BYTES)
    special = BLOCK_BYTES - _BTREE_OPAQUE.size
    lower, upper = _PAGE_HEADER.size, special
    if downlink is not None:
        upper -= _MINUS_INFINITY.size
        # ItemIdData: offset in 15 bits, LP_NORMAL in 2, length in 15.
        struct.pack_into("<I", page, lower, upper | 1 << 15 | _MINUS_INFINITY.size << 17)
        _MINUS_INFINITY.pack_into(page, upper, downlink >> 16, downlink & 0xFFFF, 0, _MINUS_INFINITY.size | 0x2000)
        lower += 4
    _PAGE_HEADER.pack_into(page, 0, 0, 0, 0, lower, upper, special, BLOCK_BYTES | _LAYOUT_VERSION, 0)
    _BTREE_OPAQUE.pack_into(page, special, 0, 0, level, _BTP_LEAF if level == 0 else 0, 0)
    return page


def _set_root(page: bytearray, *, is_root: bool) -> None:
    """Mark a page as the root or not; a leaf that is marked root above which there is a level crashes a backend."""
    special = BLOCK_BYTES - _BTREE_OPAQUE.size
    previous, following, level, flags, cycle = _BTREE_OPAQUE.unpack_from(page, special)
    flags = flags | _BTP_ROOT if is_root else flags & ~_BTP_ROOT
    _BTREE_OPAQUE.pack_into(page, special, previous, following, level, flags, cycle)


def _write(descriptor: int, block: int, page: bytes | bytearray) -> None:
    os.pwrite(descriptor, page, block * BLOCK_BYTES)
