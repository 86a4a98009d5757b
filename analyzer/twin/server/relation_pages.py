"""Give empty relations the size, and indexes the metapages, of the captured server.

The planner asks the file system how long a relation is and reads the first page of some indexes; it never reads rows
but for an index's extremes. Files are only ever extended: truncating one under a running server is not safe.

Captured code may run as the account that owns these files. So a process without rights edits them (file_editor, which
loads this module by its path: nothing but the standard library is imported), below the descriptor of a directory, and
follows no link.
"""

import ctypes
import errno
import os
import stat
import struct
from dataclasses import dataclass

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


# include/uapi/linux/openat2.h
_OPENAT2 = 437
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The desired state of the files of one relation."""

    #: Below the data directory, as pg_relation_filepath() names it.
    path: str
    #: At least as many blocks.
    blocks: int
    #: The file gets that name before.
    number: int | None = None
    btree_height: int | None = None
    #: Of the heap that a BRIN index is of.
    brin_heap_blocks: int | None = None
    #: Pending pages, entry pages, data pages and entries of a GIN index.
    gin: tuple[int, int, int, int] | None = None


def renumbered(path: str, number: int) -> str:
    """Return the path of a relation's file after its `relfilenode` changed."""
    return f"{path.rpartition('/')[0]}/{number}".removeprefix("/")


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open a file or a directory below an open one, no link followed at any component; raises OSError."""
    mode = 0o600 if flags & os.O_CREAT else 0
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS)
    name = ctypes.c_char_p(os.fsencode(path))
    descriptor = int(_LIBC.syscall(_OPENAT2, ctypes.c_int(directory), name, how, ctypes.c_size_t(len(how))))
    if descriptor >= 0:
        return descriptor
    if ctypes.get_errno() in {errno.ENOSYS, errno.EPERM}:  # before 5.6, and in some containers
        return _walk(directory, path, flags)
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def _walk(directory: int, path: str, flags: int) -> int:
    *parents, name = path.split("/")
    if path.startswith("/") or ".." in (*parents, name):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    opened = os.dup(directory)
    for parent in parents:
        try:
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened)
        finally:
            os.close(opened)
        opened = below
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=opened)
    finally:
        os.close(opened)


def open_regular(directory: int, path: str, flags: int) -> int:
    """Open a regular file that has no other name; raises OSError, also for one that has."""
    descriptor = open_beneath(directory, path, flags | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EPERM, "not a regular file of one name", path)
    return descriptor


def edit_relation(directory: int, edit: Edit) -> None:
    """Edit a relation's files below an open data directory; raises OSError."""
    path = edit.path
    if edit.number is not None:
        path = renumbered(path, edit.number)
        parent = open_beneath(directory, os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
        try:
            os.rename(*map(os.path.basename, (edit.path, path)), src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            os.close(parent)
    if edit.btree_height is not None or edit.brin_heap_blocks is not None or edit.gin is not None:
        descriptor = open_regular(directory, path, os.O_RDWR)
        try:
            _plant(descriptor, edit)
        finally:
            os.close(descriptor)
    extend(directory, path, edit.blocks)


def _plant(descriptor: int, edit: Edit) -> None:
    if edit.btree_height is not None:
        plant_btree(descriptor, edit.btree_height)
    if edit.brin_heap_blocks is not None:
        plant_brin(descriptor, edit.brin_heap_blocks)
    if edit.gin is not None:
        plant_gin(descriptor, edit.gin, edit.blocks)


def extend(directory: int, path: str, blocks: int) -> None:
    """Make a relation at least that many blocks long, sparse, in segments of 1 GiB."""
    full, rest = divmod(blocks, SEGMENT_BLOCKS)
    for segment in range(full + 1):
        wanted = (SEGMENT_BLOCKS if segment < full else rest) * BLOCK_BYTES
        if segment and not wanted:
            break
        part = f"{path}.{segment}" if segment else path
        descriptor = open_regular(directory, part, os.O_RDWR | (os.O_CREAT if segment else 0))
        try:
            if os.fstat(descriptor).st_size < wanted:
                os.truncate(descriptor, wanted)
        finally:
            os.close(descriptor)


def plant_btree(descriptor: int, height: int) -> None:
    """Give a btree that many levels above its leaves: a chain of pages that leads from the root to the one real leaf.

    The cost model charges every descent by the height it reads from the metapage (btcostestimate), so a tree that is
    too low is too cheap. The leaf keeps the rows it has; where the index is empty an empty leaf is made.
    """
    meta = _read(descriptor, 0)
    magic, version, root, level, _, _ = _BTREE_META.unpack_from(meta, _PAGE_HEADER.size)
    if magic != _BTREE_MAGIC:
        raise ValueError("the file is not a btree")
    if level:
        return
    leaf = root or 1
    page = _read(descriptor, leaf) if root else _btree_page(level=0)
    _set_root(page, is_root=height == 0)
    _write(descriptor, leaf, page)
    child = leaf
    for above in range(1, height + 1):
        page = _btree_page(level=above, downlink=child)
        _set_root(page, is_root=above == height)
        child = leaf + above
        _write(descriptor, child, page)
    _BTREE_META.pack_into(meta, _PAGE_HEADER.size, magic, version, child, height, child, height)
    _write(descriptor, 0, meta)


def plant_brin(descriptor: int, heap_blocks: int) -> None:
    """Write the number of range map pages of a BRIN index for a heap of that many blocks."""
    meta = _read(descriptor, 0)
    magic, version, pages_per_range, last = _BRIN_META.unpack_from(meta, _PAGE_HEADER.size)
    ranges = -(-heap_blocks // max(1, pages_per_range))
    last = max(last, 1, -(-ranges // _BRIN_REVMAP_ITEMS))
    _BRIN_META.pack_into(meta, _PAGE_HEADER.size, magic, version, pages_per_range, last)
    _write(descriptor, 0, meta)


def plant_gin(descriptor: int, gin: tuple[int, int, int, int], pages: int) -> None:
    """Write the metapage of a GIN index of that many pages, as gincostestimate() reads it.

    Numbers that the planner would not take from a metapage, or would cut, are the ones it makes up for itself; it does
    where the metapage gives none.
    """
    pending_pages, entry_pages, data_pages, entries = gin
    total = 0
    if pending_pages + entry_pages + data_pages <= pages:
        # The rows that hold the extremes may have made a very small index longer; the planner scales by the length.
        total = max(pages, os.fstat(descriptor).st_size // BLOCK_BYTES)
    else:
        entry_pages = data_pages = entries = 0
    meta = _read(descriptor, 0)
    _GIN_META.pack_into(meta, _GIN_META_OFFSET, pending_pages, 0, total, entry_pages, data_pages, entries)
    _write(descriptor, 0, meta)


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


def _read(descriptor: int, block: int) -> bytearray:
    return bytearray(os.pread(descriptor, BLOCK_BYTES, block * BLOCK_BYTES))


def _write(descriptor: int, block: int, page: bytes | bytearray) -> None:
    os.pwrite(descriptor, page, block * BLOCK_BYTES)
