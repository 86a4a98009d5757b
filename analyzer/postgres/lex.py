"""Cut SQL text into PostgreSQL's tokens, with positions.

The rules are those of the server's own scanner (src/backend/parser/scan.l): nested comments, dollar quotes, operators
of any length. A general SQL tokenizer reads `$2,$3` as a dollar quote and does not know `<=>`, and its tokens change
from release to release, which would change every statement's fingerprint.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from analyzer.errors import InputError
from analyzer.postgres.identifiers import MOST_BYTES, unquote

Kind = Literal["word", "quoted", "string", "number", "parameter", "operator", "punctuation", "comment"]

#: Every character beyond ASCII may begin a name, white space of Unicode and other alphabets' digits among them.
_START: Final = r"A-Za-z_\u0080-\U0010ffff"
#: What the scanner skips; \v since PostgreSQL 16.
WHITE_SPACE: Final = " \t\n\r\f\v"

#: What stands between the pieces of one string: white space with a line break, and comments that end with the line.
_CONTINUED: Final = r"(?:[ \t\f\v]|--[^\r\n]*)*+[\r\n](?:[ \t\n\r\f\v]|--[^\r\n]*+[\r\n])*+'"

#: A character of a string in which a backslash escapes.
ESCAPED_PIECE: Final = r"(?:[^'\\]|''|\\.)"


def string_pattern(opening: str, piece: str) -> str:
    """Match a string with its continuations; nothing of one whose last piece does not end."""
    return rf"{opening}'{piece}*+'(?:{_CONTINUED}{piece}*+')*+(?!{_CONTINUED})"


_PATTERNS: Final[tuple[tuple[Kind, str], ...]] = (
    ("comment", r"--[^\r\n]*"),
    ("string", string_pattern("[eE]", ESCAPED_PIECE)),
    ("string", string_pattern("(?:[bBxXnN]|[uU]&)?", r"(?:[^']|'')")),
    ("string", rf"\$(?P<tag>[{_START}][{_START}0-9]*|)\$.*?\$(?P=tag)\$"),
    ("quoted", r'(?:[uU]&)?"(?:[^"]|"")++"'),
    ("parameter", r"\$[0-9]+"),
    ("number", r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"),
    ("number", r"(?:[0-9][0-9_]*\.(?!\.)[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"),
    ("word", rf"[{_START}][{_START}0-9$]*"),
    ("punctuation", r"::|:=|\.\.|=>|[()\[\],;.:]"),
    ("operator", r"[+\-*/<>=~!@#%^&|`?]{1,65}"),
)
_TOKEN = re.compile("|".join(f"(?P<p{number}>{pattern})" for number, (_, pattern) in enumerate(_PATTERNS)), re.DOTALL)
_KINDS: Final[dict[str, Kind]] = {f"p{number}": kind for number, (kind, _) in enumerate(_PATTERNS)}
_COMMENT_EDGE = re.compile(r"/\*|\*/")
#: Only an operator that holds one of these may end in + or -.
_SPECIAL = frozenset("~!@#%^&|`?")
#: Operators are names to the scanner.
_LONGEST_OPERATOR: Final = MOST_BYTES


#: A statement of more tokens is not read: each look at it takes a second, and planning it takes many.
MOST_TOKENS: Final = 250_000
#: Nor one of more text.
MOST_CHARACTERS: Final = 8 * 1024**2


class IncompleteError(InputError):
    """The text ends within a string, a quoted name or a comment, or holds what SQL has no token for."""


class TooLongError(IncompleteError):
    """The text is longer than a statement may be."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `start` and `end` are positions in the text."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Position after the token."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The folded text of a keyword or an unquoted name, else nothing."""
        return self.text.lower() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The name that a quoted or an unquoted one stands for, else nothing."""
        return unquote(self.text) if self.kind == "quoted" else self.word


@lru_cache(maxsize=2)
def lex(text: str) -> tuple[Token, ...]:
    """Cut a statement into tokens, comments among them.

    Raises IncompleteError when it is cut short, TooLongError when it is longer than a statement may be.
    """
    if len(text) > MOST_CHARACTERS:
        raise TooLongError(f"its text is longer than {MOST_CHARACTERS // 1024**2} MB")
    tokens = tuple(itertools.islice(tokens_of(text), MOST_TOKENS + 1))
    if len(tokens) > MOST_TOKENS:
        raise TooLongError(f"it has more than {MOST_TOKENS:,} words, constants and signs")
    return tokens


def significant(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Leave the comments out."""
    return tuple(token for token in tokens if token.kind != "comment")


def tokens_of(text: str) -> Iterator[Token]:
    """Cut a text of any length into tokens, one after another; raises IncompleteError when it is cut short."""
    position = 0
    while True:
        while position < len(text) and text[position] in WHITE_SPACE:
            position += 1
        if position == len(text):
            return
        token = _next(text, position)
        yield token
        position = token.end


def _next(text: str, position: int) -> Token:
    if text.startswith("/*", position):
        return Token("comment", text[position : _comment_end(text, position)], position)
    match = _TOKEN.match(text, position)
    if match is None or (match[0] in ("e", "E") and text.startswith("'", match.end())):
        raise IncompleteError(
            f"the text ends within or does not continue after character {position + 1}; is it truncated?"
        )
    kind = _KINDS[match.lastgroup or ""]
    return Token(kind, _operator(match[0], position) if kind == "operator" else match[0], position)


def _operator(found: str, position: int) -> str:
    for opening in ("--", "/*"):
        cut = found.find(opening)
        if cut > 0:
            found = found[:cut]
    found = found if _SPECIAL & set(found) else found.rstrip("+-") or found[0]
    if len(found) > _LONGEST_OPERATOR:  # a comment may begin right behind
        raise IncompleteError(f"the operator at character {position + 1} is longer than {_LONGEST_OPERATOR} characters")
    return found


def _comment_end(text: str, position: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise IncompleteError(f"the comment at character {position + 1} does not end; is the text truncated?")


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """Return the names and keywords in SQL, unquoted and folded; nothing for text that cannot be read."""
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return frozenset()
    return frozenset(token.name for token in tokens) - {""}
