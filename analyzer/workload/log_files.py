"""Open the files of a server's log, in the order of time, as blocks of whole lines; whatever is in them.

Memory is bounded by the block: a line that is longer is dropped, and compressed files are unpacked as they are read.
Of a file that is not compressed, a range can be read apart.
"""

import bz2
import gzip
import lzma
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Final, cast

from analyzer.errors import InputError
from analyzer.paths import files_of, is_directory, is_file, reason_of

_BLOCK_BYTES: Final = 1024**2
#: A longer line is no statement that would be read, see `analyzer.postgres.lex`.
_LONGEST_LINE: Final = 9 * 1024**2
#: The text of a log is 5 to 100 times as long as its file; a file that grows by more is not a log.
_MOST_EXPANSION, _ALWAYS_BYTES = 400, 256 * 1024**2

_TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?")
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
#: Where a server writes its log in several formats at once, one file of them is read.
_RICHEST: Final = (".json", ".csv", ".log")


@dataclass(frozen=True, slots=True)
class FileRange:
    """Where the text of some records is in a file that is not compressed."""

    path: Path
    #: The device and the number of the file: another one may take its name while the log is read.
    identity: tuple[int, int]
    begin: int
    end: int

    def open(self) -> BufferedIOBase:
        """Open the file; raises OSError if it cannot be read, ValueError if it is another one."""
        raw = self.path.open("rb")
        if _identity(os.fstat(raw.fileno())) != self.identity:
            raw.close()
            raise ValueError(self.path)
        return raw

    def lines(self, skipped: Counter[str]) -> Iterator[bytes]:
        """Yield the text in blocks of whole lines, as far as it can be read, and count what is skipped."""
        try:
            with self.open() as raw:
                for _, block in _lines(self._pieces(raw), skipped):
                    yield block
        except _DAMAGED as error:
            count_unread(error, skipped)

    def _pieces(self, raw: BufferedIOBase) -> Iterator[bytes]:
        place = raw.seek(self.begin)
        while place < self.end:
            piece = raw.read(min(_BLOCK_BYTES, self.end - place))
            if not piece:
                raise EOFError(self.path)
            yield piece
            place += len(piece)


@dataclass(slots=True)
class LogFileText:
    """One file of a log; iterate over it once for its blocks of whole lines, each with its place in the text."""

    path: Path
    #: What was skipped, and how often: lines too long, a damaged end.
    skipped: Counter[str] = field(default_factory=Counter[str])
    #: All of the file, as long as it was when it was opened; None while it is not, or if it is compressed.
    range: FileRange | None = None

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the text, as far as it can be read."""
        try:
            with self.path.open("rb") as raw:
                yield from _lines(self._checked(raw), self.skipped)
        except _DAMAGED as error:
            self.stop(error)

    def stop(self, error: BaseException) -> None:
        """Count the rest as unread."""
        count_unread(error, self.skipped)

    def _checked(self, raw: BufferedIOBase) -> Iterator[bytes]:
        """Yield the unpacked pieces; stop where the file is damaged, or grows beyond what a log does."""
        unpacked, total, piece = _unpacked(raw), 0, bytearray()
        status = os.fstat(raw.fileno())
        if unpacked is raw and stat.S_ISREG(status.st_mode):
            self.range = FileRange(self.path, _identity(status), 0, status.st_size)
        while True:
            try:
                more = unpacked.read1(_BLOCK_BYTES)
            except _DAMAGED as error:
                self.stop(error)
                more = b""
            piece += more
            if len(piece) >= _BLOCK_BYTES or not more:
                yield bytes(piece)
                piece.clear()
            total += len(more)
            if not more:
                return
            if total > max(_ALWAYS_BYTES, _MOST_EXPANSION * max(raw.tell(), 1)):
                self.skipped["files whose rest unpacks to more than a log does"] += 1
                yield bytes(piece)
                return


def count_unread(error: BaseException, skipped: Counter[str]) -> None:
    """Count the rest of a file that cannot be read."""
    reason = reason_of(error) if isinstance(error, OSError) and error.errno else "damaged or truncated"
    skipped[f"files whose rest cannot be read ({reason})"] += 1


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def log_files(paths: Iterable[Path]) -> list[LogFileText]:
    """List the files that paths, or the directories among them, name, by the first time in them.

    Raises InputError for a path that is neither, or a directory without files.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if is_directory(path):
            inside = [each for each in files_of(path, "") if is_file(each) and not each.name.startswith(".")]
            if not inside:
                raise InputError(f"{path} contains no files; give a log file, or a directory of log files")
            found |= dict.fromkeys(_one_format(inside))
        elif is_file(path):
            found[path] = None
        else:
            raise InputError(f"{path} is not a file; give a log file, or a directory of log files")
    return [LogFileText(path) for path in sorted(found, key=lambda path: (_first_time(path), path))]


def _one_format(paths: list[Path]) -> list[Path]:
    """Leave the richest of the files that differ in the suffix of their format alone."""
    ranks: dict[tuple[str, ...], tuple[int, Path]] = {}
    others: list[Path] = []
    for path in paths:
        format_suffix = next((each for each in path.suffixes if each in _RICHEST), None)
        if format_suffix is None:
            others.append(path)
            continue
        key = tuple(path.name.split(format_suffix, 1))
        ranks[key] = min(ranks.get(key, (len(_RICHEST), path)), (_RICHEST.index(format_suffix), path))
    return sorted([*others, *(path for _, path in ranks.values())])


def _first_time(path: Path) -> bytes:
    """Return the first time of a file as it is written; that of an unreadable one is last."""
    try:
        with path.open("rb") as raw:
            found = _TIME.search(_unpacked(raw).read(64 * 1024))
    except _DAMAGED:
        return b"9"
    return found[0].replace(b"T", b" ") if found else b"9"


def _unpacked(raw: BufferedIOBase) -> BufferedIOBase:
    magic = raw.read(6)
    raw.seek(0)
    for start, opener in _OPENERS.items():
        if magic.startswith(start):
            return opener(raw)
    return raw


def _zstd(raw: BufferedIOBase) -> BufferedIOBase:
    """Python 3.14 has it; before, the package does."""
    if find_spec("compression") is not None:
        return cast("BufferedIOBase", import_module("compression.zstd").open(raw))
    if find_spec("zstandard") is not None:
        return cast("BufferedIOBase", import_module("zstandard").open(raw, "rb"))
    raise OSError(95, "zstd needs Python 3.14 or the package zstandard")


_OPENERS: Final[dict[bytes, Callable[[BufferedIOBase], BufferedIOBase]]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lambda raw: lzma.LZMAFile(cast("BinaryIO", raw)),  # noqa: SIM115 - the caller closes `raw`
    b"\x28\xb5\x2f\xfd": _zstd,
}


def _lines(pieces: Iterable[bytes], skipped: Counter[str]) -> Iterator[tuple[int, bytes]]:
    """Cut pieces at ends of lines; say where each block begins."""
    rest, dropping, place = b"", False, 0
    for piece in pieces:
        place += len(piece)
        start = piece.find(b"\n") + 1 if dropping else 0
        if dropping and not start:
            continue
        dropping = False
        end = piece.rfind(b"\n") + 1
        if end > start:
            yield place - len(piece) + start - len(rest), rest + piece[start:end]
            rest = piece[end:]
        else:
            rest += piece[start:]
        if len(rest) > _LONGEST_LINE:
            skipped["lines that are too long"] += 1
            rest, dropping = b"", True
    if rest:
        yield place - len(rest), rest
