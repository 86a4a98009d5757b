"""Read a gzip-compressed JSON file that anybody may have written, in bounded memory."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from pydantic_core import from_json, to_json

from analyzer.errors import InputError
from analyzer.named_file import opened

#: Far more than a database of ten thousand tables takes, samples of up to 256 MB included.
MOST_COMPRESSED_BYTES: Final = 256 * 1024**2
MOST_BYTES: Final = 1024**3
_CHUNK_BYTES = 1024**2
#: A snapshot is 10 to 60 times as long as its file; a file that grows by more than this is not a snapshot.
_MOST_EXPANSION, _ALWAYS_BYTES = 200, 64 * 1024**2
#: What JSON may begin with; two gigabytes of something else need not be unpacked to be refused.
_OPENING = b"{"
_GZIP = 16 + zlib.MAX_WBITS


def read_bounded(path: Path) -> bytearray:
    """Unpack a file; raises InputError when it is missing, damaged or larger than a snapshot can be."""
    unpacked = bytearray()
    try:
        with opened(path, MOST_COMPRESSED_BYTES) as file:
            for piece in _unpacked(file, path):
                unpacked += piece
                if not unpacked[:64].lstrip().startswith(_OPENING):
                    raise InputError(f"{path} is not a twindex snapshot; create one with twindex capture -o FILE")
                if len(unpacked) > MOST_BYTES:
                    raise too_large(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as a snapshot ({error.strerror}); capture it with twindex capture"
        ) from None
    return unpacked


def _unpacked(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield what a gzip file holds, piece by piece; members may follow one another."""
    stream, read, written_out = zlib.decompressobj(_GZIP), 0, 0
    while piece := file.read(_CHUNK_BYTES):
        if not read and not piece.startswith(b"\x1f\x8b"):
            reason = "it is not gzip-compressed"
            raise InputError(f"{path} cannot be read as a snapshot ({reason}); capture it with twindex capture")
        read += len(piece)
        if read > MOST_COMPRESSED_BYTES:
            raise too_large(path)
        while piece:
            if stream.eof:
                stream = zlib.decompressobj(_GZIP)
            try:
                unpacked = stream.decompress(piece, _CHUNK_BYTES)
            except zlib.error:
                raise _damaged(path) from None
            written_out += len(unpacked)
            if written_out > max(_ALWAYS_BYTES, _MOST_EXPANSION * read):
                raise _damaged(path)
            if unpacked:
                yield unpacked
            piece = stream.unconsumed_tail or stream.unused_data
    if not read or not stream.eof:
        raise _damaged(path)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or truncated; capture it again with twindex capture")


def too_large(path: Path) -> InputError:
    """Say that a file is not, or would not be, read."""
    most = f"{MOST_BYTES // 1024**3} GB, {MOST_COMPRESSED_BYTES // 1024**2} MB compressed"
    return InputError(f"{path} is larger than a snapshot can be ({most}); capture it again with fewer --samples")


def parse_document(path: Path) -> dict[str, object]:
    """Read the object that a file holds; raises InputError.

    The parser follows 200 levels of brackets and no number of thousands of digits.
    """
    raw = read_bounded(path)
    try:
        parsed: object = from_json(raw)
    except ValueError as error:
        reason = str(error)
        if "EOF" in reason:
            raise _damaged(path) from None
        raise InputError(f"{path} is not valid JSON inside ({reason}); capture it again") from None
    if not isinstance(parsed, dict):
        raise InputError(f"{path} is not a twindex snapshot; create one with twindex capture -o FILE")
    return cast("dict[str, object]", parsed)


def written(value: object) -> str:
    """Write a value of a file for people, short and on one line."""
    text = to_json(value, inf_nan_mode="strings", fallback=repr).decode()
    return text if len(text) <= _MOST_WRITTEN else f"{text[:_MOST_WRITTEN]}…"


_MOST_WRITTEN = 60
