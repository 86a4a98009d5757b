"""Pages: the sizes that relation files are counted in, and what fits one."""

from typing import Final

#: BLCKSZ of a server built as usual.
BLOCK_BYTES: Final = 8192
#: SizeOfPageHeaderData, and ItemIdData: the line pointer of an item.
PAGE_HEADER_BYTES: Final = 24
LINE_POINTER_BYTES: Final = 4
#: ItemPointerData: block and offset of a row.
ROW_POINTER_BYTES: Final = 6
#: RELSEG_SIZE: blocks in one segment file, 1 GiB.
SEGMENT_BLOCKS: Final = 131_072
#: BTMaxItemSize: the longest btree entry, keys and INCLUDE together.
MOST_BTREE_BYTES: Final = 2704
#: GinMaxItemSize: a longer posting list moves out of the entry tree into pages of its own.
MOST_GIN_BYTES: Final = 2704
