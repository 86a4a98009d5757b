"""The page layouts a twin writes, and what the planner's answers say of GIN pages."""

import contextlib
import math
import os
import struct
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture.gin import Probes, as_planned, scan_cost, solve
from analyzer.documents.snapshot import GinPages
from analyzer.twin.server import relation_pages
from analyzer.twin.server.relation_pages import BLOCK_BYTES, SEGMENT_BLOCKS

HEADER_BYTES = 24


def empty_btree(path: Path) -> Path:
    """Write what CREATE INDEX makes of an empty table: a metapage without a root."""
    meta = bytearray(BLOCK_BYTES)
    struct.pack_into("<IIIIII", meta, HEADER_BYTES, 0x053162, 4, 0, 0, 0, 0)
    path.write_bytes(meta)
    return path


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Generator[int]:
    """Open a file or a directory."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def extend(path: Path, blocks: int) -> None:
    with opened(path.parent, os.O_RDONLY) as directory:
        relation_pages.extend(directory, path.name, blocks)


def page(path: Path, block: int) -> bytes:
    """Read one block."""
    return path.read_bytes()[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]


def opaque(content: bytes) -> tuple[int, int]:
    """Return level and flags of a btree page."""
    _, _, level, flags, _ = struct.unpack_from("<IIIHH", content, BLOCK_BYTES - 16)
    return level, flags


def test_a_relation_grows_sparse_in_segments_of_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "16384"
    path.write_bytes(b"\1" * BLOCK_BYTES)
    extend(path, SEGMENT_BLOCKS + 3)
    segment = tmp_path / "16384.1"
    assert (path.stat().st_size, segment.stat().st_size) == (SEGMENT_BLOCKS * BLOCK_BYTES, 3 * BLOCK_BYTES)
    assert path.stat().st_blocks * 512 < 1024 * 1024
    with path.open("rb") as file:
        assert file.read(BLOCK_BYTES) == b"\1" * BLOCK_BYTES


def test_a_whole_number_of_segments_makes_no_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "16384"
    path.touch()
    extend(path, SEGMENT_BLOCKS)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_relation_never_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "16384"
    path.write_bytes(bytes(5 * BLOCK_BYTES))
    extend(path, 2)
    assert path.stat().st_size == 5 * BLOCK_BYTES


@pytest.mark.parametrize("height", [0, 1, 3])
def test_a_btree_gets_a_chain_of_pages_from_its_root_to_its_leaf(tmp_path: Path, height: int) -> None:
    path = empty_btree(tmp_path / "1")
    with opened(path) as file:
        relation_pages.plant_btree(file, height)
    _, _, root, level, fast_root, fast_level = struct.unpack_from("<IIIIII", page(path, 0), HEADER_BYTES)
    assert (level, fast_root, fast_level) == (height, root, height)
    block = root
    for above in range(height, 0, -1):
        content = page(path, block)
        assert opaque(content) == (above, 2 if above == height else 0)
        (item,) = struct.unpack_from("<I", content, HEADER_BYTES)
        high, low, _, _ = struct.unpack_from("<HHHH", content, item & 0x7FFF)
        block = high << 16 | low
    assert opaque(page(path, block)) == (0, 1 | (2 if height == 0 else 0))


def test_a_btree_that_has_levels_keeps_them(tmp_path: Path) -> None:
    path = empty_btree(tmp_path / "1")
    with opened(path) as file:
        relation_pages.plant_btree(file, 2)
    before = path.read_bytes()
    with opened(path) as file:
        relation_pages.plant_btree(file, 5)
    assert path.read_bytes() == before


def test_what_is_no_btree_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "1"
    path.write_bytes(bytes(BLOCK_BYTES))
    with pytest.raises(ValueError, match="is not a btree"), opened(path) as file:
        relation_pages.plant_btree(file, 1)


@pytest.mark.parametrize(("heap_blocks", "last"), [(0, 1), (128 * 1360, 1), (128 * 1360 + 1, 2)])
def test_a_brin_gets_a_range_map_for_its_heap(tmp_path: Path, heap_blocks: int, last: int) -> None:
    path = tmp_path / "1"
    meta = bytearray(BLOCK_BYTES)
    struct.pack_into("<IIII", meta, HEADER_BYTES, 0xA8109CFA, 1, 128, 1)
    path.write_bytes(meta)
    with opened(path) as file:
        relation_pages.plant_brin(file, heap_blocks)
    assert struct.unpack_from("<IIII", page(path, 0), HEADER_BYTES) == (0xA8109CFA, 1, 128, last)


def planted_gin(path: Path, gin: GinPages, pages: int) -> tuple[int, ...]:
    """Plant a GIN metapage and read it back from nPendingPages on."""
    meta = bytearray(BLOCK_BYTES)
    struct.pack_into("<i", meta, HEADER_BYTES + 48, 2)
    path.write_bytes(meta)
    with opened(path) as file:
        relation_pages.plant_gin(file, (gin.pending_pages, gin.entry_pages, gin.data_pages, gin.entries), pages)
    content = page(path, 0)
    assert struct.unpack_from("<i", content, HEADER_BYTES + 48) == (2,)
    pending, tuples, total, entry_pages, data_pages = struct.unpack_from("<IqIII", content, HEADER_BYTES + 12)
    assert tuples == 0
    return (pending, total, entry_pages, data_pages, *struct.unpack_from("<q", content, HEADER_BYTES + 40))


def test_a_gin_metapage_says_what_was_captured(tmp_path: Path) -> None:
    gin = GinPages(pending_pages=4, entry_pages=70, data_pages=20, entries=5_000_000_000)
    assert planted_gin(tmp_path / "1", gin, 100) == (4, 100, 70, 20, 5_000_000_000)


def test_a_gin_the_planner_guesses_at_stays_guessed_at(tmp_path: Path) -> None:
    assert planted_gin(tmp_path / "1", GinPages.invented(pages=5, pending_pages=3), 5) == (3, 0, 0, 0, 0)


def charged(gin: GinPages, conditions: int, entries: int) -> tuple[int, int]:
    """Price a scan in pages and in operators, as gincostestimate() of 16 to 18 does."""
    levels = round(gin.entry_pages**0.15)
    descent = math.ceil(math.log2(gin.entries))
    entry_pages = gin.pending_pages + entries * levels
    data_pages = max(1, math.ceil(gin.data_pages * entries / gin.entries))
    operators = entries * (2 * descent + 50 + conditions) + 100 * entry_pages + 50 * data_pages
    return entry_pages + data_pages, operators


def answers(gin: GinPages, *, full: bool = True) -> Probes:
    """Ask that model what a capture asks the planner."""
    few, few_operators = charged(gin, 6, 6)
    many, many_operators = charged(gin, 12, 12)
    all_pages, all_operators = charged(gin, 7, gin.entries)
    return Probes(
        few_pages=few,
        few_operators=few_operators,
        many_pages=many,
        many_operators=many_operators,
        every_page=gin.entry_pages + max(1, gin.data_pages),
        full_pages=all_pages if full else None,
        full_operators=all_operators if full else None,
    )


PAGES = st.builds(
    GinPages,
    pending_pages=st.integers(0, 10_000),
    entry_pages=st.integers(1, 3_000_000),
    data_pages=st.integers(1, 3_000_000) | st.integers(1, 10_000),
    entries=st.integers(1, 2_000_000_000),
)


def plain(pending: int, entry_pages: int, per_page: int, per_data_page: int) -> GinPages:
    """Make pages that hold many entries, of which few need whole pages for their rows."""
    entries = entry_pages * per_page
    data_pages = max(1, entries // per_data_page)
    return GinPages(pending_pages=pending, entry_pages=entry_pages, data_pages=data_pages, entries=entries)


PLAIN = st.builds(
    plain, st.integers(0, 10_000), st.integers(1, 3_000_000), st.integers(12, 1000), st.integers(12, 10_000)
)


@given(PAGES)
def test_a_few_costs_tell_all_a_gin_metapage_holds(gin: GinPages) -> None:
    total = 2 + gin.pending_pages + gin.entry_pages + gin.data_pages
    assert solve(answers(gin), pages=total, major=18) == gin


@given(PLAIN)
def test_without_a_search_for_everything_single_searches_still_cost_the_same(gin: GinPages) -> None:
    total = 2 + gin.pending_pages + gin.entry_pages + gin.data_pages
    found = solve(answers(gin, full=False), pages=total, major=18)
    assert found is not None
    assert charged(found, 1, 1) == charged(gin, 1, 1)


@given(PLAIN)
def test_before_16_the_pages_read_are_right_and_the_rest_is_near(gin: GinPages) -> None:
    total = 2 + gin.pending_pages + gin.entry_pages + gin.data_pages
    found = solve(answers(gin), pages=total, major=15)
    assert found is not None
    assert charged(found, 1, 1)[0] == charged(gin, 1, 1)[0]
    assert found.entry_pages + found.data_pages == gin.entry_pages + gin.data_pages


def test_an_index_without_room_for_data_pages_has_none() -> None:
    gin = GinPages(pending_pages=2, entry_pages=50, data_pages=1, entries=900)
    assert solve(answers(gin), pages=53, major=18) == gin.model_copy(update={"data_pages": 0})


def test_a_metapage_counts_as_far_as_the_planner_trusts_it() -> None:
    row = {"pending_pages": 3, "total_pages": 100, "entry_pages": 80, "data_pages": 19, "entries": 1000}
    scaled = GinPages(pending_pages=3, entry_pages=120, data_pages=27, entries=1500)
    assert as_planned(row, 150) == scaled
    assert as_planned(row, 400) == GinPages.invented(pages=400, pending_pages=3)
    assert as_planned(row | {"entries": 0}, 100) == GinPages.invented(pages=100, pending_pages=3)


def test_only_a_scan_of_the_index_asked_about_is_an_answer() -> None:
    scan = {"Node Type": "Bitmap Index Scan", "Index Name": "i", "Total Cost": 41.996}
    other = {"Node Type": "Bitmap Index Scan", "Index Name": "j", "Total Cost": 1.0}
    assert scan_cost({"Node Type": "Bitmap Heap Scan", "Plans": [scan]}, "i") == 42
    assert scan_cost({"Node Type": "Bitmap Heap Scan", "Plans": [scan]}, "j") is None
    both = {"Node Type": "BitmapAnd", "Plans": [scan, other]}
    assert scan_cost({"Node Type": "Bitmap Heap Scan", "Plans": [both]}, "i") is None
