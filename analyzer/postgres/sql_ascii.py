"""Text of a database in SQL_ASCII, whose encoding the server does not know: UTF-8, and bytes that are not.

Such a byte becomes a character that Unicode leaves to private use, U+F780 to U+F7FF for 0x80 to 0xFF, so that the text
can be written to any file and back to the server unchanged. If one of these occurs in the text, its bytes do the same.
"""

import re
from typing import Final

#: Of a byte's character behind the byte, and of Python's surrogateescape.
_PRIVATE: Final = 0xF700
_SURROGATE: Final = 0xDC00
_STANDING = re.compile("[\uf780-\uf7ff]")
_TO_PRIVATE = {_SURROGATE + byte: _PRIVATE + byte for byte in range(0x80, 0x100)}
_TO_SURROGATE = {private: surrogate for surrogate, private in _TO_PRIVATE.items()}


def decode(data: bytes) -> str:
    """Decode text of any encoding."""
    text = data.decode("utf-8", "surrogateescape")
    text = _STANDING.sub(lambda found: "".join(chr(_PRIVATE + byte) for byte in found[0].encode()), text)
    return text if text.isascii() else text.translate(_TO_PRIVATE)


def encode(text: str) -> bytes:
    """Return the bytes of decoded text."""
    return (text if text.isascii() else text.translate(_TO_SURROGATE)).encode("utf-8", "surrogateescape")


def has_other_bytes(text: str) -> bool:
    """Say whether decoded text holds bytes that are not UTF-8."""
    return _STANDING.search(text) is not None
