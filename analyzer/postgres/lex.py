"""Cut SQL text into PostgreSQL's tokens, with positions.

The rules are those of the server's own scanner (src/backend/parser/scan.l): nested comments, dollar quotes, operators
of any length. A general SQL tokenizer reads `$2,$3` as a dollar quote and does not know `<=>`, and its tokens change
from release to release, which would change every statement's fingerprint.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from analyzer.errors import InputError
from analyzer.postgres.identifiers import MOST_BYTES, unquote

Kind = Literal["word", "quoted", "string", "number", "parameter", "operator", "punctuation", "comment"]

#: Every character beyond ASCII may begin a name, white space of Unicode and other alphabets' digits among them.
_START: Final = r"A-Za-z_\u0080-\U0010ffff"
#: What the scanner skips; \v since PostgreSQL 16.
WHITE_SPACE: Final = " \t\n\r\f\v"

_SPACE: Final = re.compile(f"[{WHITE_SPACE}]*")
#: What may stand between the pieces of one string, if a line break is in it.
_BETWEEN_PIECES: Final = re.compile(r"[ \t\n\r\f\v]+|--[^\r\n]*")
_LINE_BREAKS: Final = frozenset("\n\r")
#: Where a string may end: a doubled quote stands for one, and so does one behind a backslash that escapes.
_QUOTES: Final = re.compile(r"''?")
_ESCAPED_QUOTES: Final = re.compile(r"\\.|''?", re.DOTALL)
_DOUBLE_QUOTES: Final = re.compile(r'""?')

_PATTERNS: Final[tuple[tuple[Kind, str], ...]] = (
    ("comment", r"--[^\r\n]*"),
    ("string", "(?:[eEbBxXnN]|[uU]&)?'"),  # its opening: `string_end` finds the rest
    ("string", rf"\$(?P<tag>[{_START}][{_START}0-9]*|)\$.*?\$(?P=tag)\$"),
    ("quoted", '(?:[uU]&)?"'),  # likewise
    ("parameter", r"\$[0-9]+"),
    ("number", r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"),
    ("number", r"(?:[0-9][0-9_]*\.(?!\.)[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"),
    ("word", rf"[{_START}][{_START}0-9$]*"),
    ("punctuation", r"::|:=|\.\.|=>|[()\[\],;.:]"),
    ("operator", r"[+\-*/<>=~!@#%^&|`?]{1,65}"),
)
_ALTERNATIVES: Final = "|".join(f"(?P<p{number}>{pattern})" for number, (_, pattern) in enumerate(_PATTERNS))
#: With the white space before it; a word or a sign that nothing else can begin with comes first, as most are.
_TOKEN: Final = re.compile(
    rf"[{WHITE_SPACE}]*(?:(?P<simple>[{_START}][{_START}0-9$]*(?![{_START}0-9$'\"&])|[()\[\],;])|{_ALTERNATIVES}|\Z)",
    re.DOTALL,
)
_KINDS: Final[dict[str, Kind]] = {f"p{number}": kind for number, (kind, _) in enumerate(_PATTERNS)}
_SIGNS: Final = frozenset("()[],;")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
#: Only an operator that holds one of these may end in + or -.
_SPECIAL = frozenset("~!@#%^&|`?")
#: Operators are names to the scanner.
_LONGEST_OPERATOR: Final = MOST_BYTES


#: A statement of more tokens is not read: each look at it takes a second, and planning it takes many.
MOST_TOKENS: Final = 250_000
#: Nor one of more text.
MOST_CHARACTERS: Final = 8 * 1024**2
#: Of a text whose tokens are kept for a while: several readers look at each.
_SHORT: Final = 4096


class IncompleteError(InputError):
    """The text ends within a string, a quoted name or a comment, or holds what SQL has no token for."""


class TooLongError(IncompleteError):
    """The text is longer than a statement may be."""


class Token(NamedTuple):
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


def lex(text: str) -> tuple[Token, ...]:
    """Cut a statement into tokens, comments among them.

    Raises IncompleteError when it is cut short, TooLongError when it is longer than a statement may be.
    """
    return (_short if len(text) <= _SHORT else _long)(text)


@lru_cache(maxsize=128)
def _short(text: str) -> tuple[Token, ...]:
    return tuple(tokens_of(text))


@lru_cache(maxsize=2)
def _long(text: str) -> tuple[Token, ...]:
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
    while match := _TOKEN.match(text, position):
        if (group := match.lastgroup) is None:
            return
        if group == "simple":
            start, position = match.span(group)
            yield Token("punctuation" if match[group] in _SIGNS else "word", match[group], start)
        else:
            token = _token(text, match, group)
            yield token
            position = token.end
    space = _SPACE.match(text, position)
    raise _incomplete(space.end() if space else position)


def _token(text: str, match: re.Match[str], group: str) -> Token:
    position, end = match.span(group)
    kind = _KINDS[group]
    if kind == "operator":
        if text.startswith("/*", position):
            return Token("comment", text[position : _comment_end(text, position)], position)
        return Token(kind, _operator(match[group], position), position)
    if kind == "quoted":
        end = _quoted_end(text, end)
    elif kind == "string" and text[position] != "$":
        end = string_end(text, end, escapes=text[position] in "eE")
    return Token(kind, text[position:end], position)


def _incomplete(position: int) -> IncompleteError:
    return IncompleteError(
        f"the text ends within or does not continue after character {position + 1}; is it truncated?"
    )


def string_end(text: str, start: int, *, escapes: bool) -> int:
    """Return where a string ends whose first piece begins at `start`, behind its quote; its continuations belong to it.

    With `escapes` a backslash escapes the character behind it. Raises IncompleteError for one that does not end.
    """
    quotes = _ESCAPED_QUOTES if escapes else _QUOTES
    while True:
        end = _piece_end(text, start, quotes)
        next_piece = _next_piece(text, end)
        if next_piece is None:
            return end
        start = next_piece


def _quoted_end(text: str, start: int) -> int:
    end = _piece_end(text, start, _DOUBLE_QUOTES)
    if end == start + 1:  # no name is empty
        raise _incomplete(start - 1)
    return end


def _piece_end(text: str, start: int, quotes: re.Pattern[str]) -> int:
    for quote in quotes.finditer(text, start):
        if len(quote[0]) == 1:
            return quote.end()
    raise _incomplete(start - 1)


def _next_piece(text: str, position: int) -> int | None:
    """Return where the next piece of the string begins that ends at a position."""
    line_break = False
    while between := _BETWEEN_PIECES.match(text, position):
        position = between.end()
        line_break = line_break or not _LINE_BREAKS.isdisjoint(between[0])
    return position + 1 if line_break and text.startswith("'", position) else None


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


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at `opening`, or the number of tokens."""
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].text in ("(", "["):
            depth += 1
        elif tokens[index].text in (")", "]"):
            depth -= 1
            if depth == 0:
                return index
    return len(tokens)


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """Return the names and keywords in SQL, unquoted and folded; nothing for text that cannot be read."""
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return frozenset()
    return frozenset(token.name for token in tokens) - {""}
