"""Identify a statement independently of constants, comments, letter case and the server's version."""

import hashlib
from collections.abc import Sequence

from analyzer.postgres.lex import Token, closing, significant
from analyzer.workload.plannable import BEFORE_EXPRESSION

_CONSTANT = "?"
#: Keywords that end the list of an ORDER BY or GROUP BY, in which a number is the place of a column, not a constant.
_ENDS_LIST = frozenset(
    ["having", "limit", "offset", "window", "union", "except", "intersect", "fetch", "for", "rows", "range", "groups"]
)


def fingerprint(tokens: tuple[Token, ...], search_path: Sequence[str] | None = None) -> str:
    """Hash the tokens of one statement to `s` and 12 hexadecimal digits.

    With a search path of its own it is another statement than the same text without.
    """
    words = _squash(_normalised(significant(tokens)))
    if search_path is not None:
        words += ["--", *search_path]
    return "s" + hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


def _normalised(tokens: Sequence[Token]) -> list[str]:
    words: list[str] = []
    listing = [False]
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        _follow_lists(listing, token)
        if token.text == ";":
            continue
        place = (
            listing[-1]
            and token.kind == "number"
            and before is not None
            and (before.word == "by" or before.text == ",")
        )
        word = token.text if place else _word(token, before)
        if word == _CONSTANT and words and words[-1] == "-" and _is_unary(tokens, index - 1):
            words.pop()
        words.append(word)
    return words


def _follow_lists(listing: list[bool], token: Token) -> None:
    if token.text in ("(", "["):
        listing.append(False)
    elif token.text in (")", "]") and len(listing) > 1:
        listing.pop()
    elif token.word == "by":
        listing[-1] = True
    elif token.word in _ENDS_LIST:
        listing[-1] = False


def _word(token: Token, before: Token | None) -> str:
    before_word = before.word if before is not None else ""
    constant = token.kind in ("string", "number", "parameter")
    if constant or (token.word in ("true", "false", "null") and before_word not in ("is", "not")):
        return _CONSTANT
    if token.kind == "word":
        return token.word
    if token.kind == "quoted" and token.text[1:-1] == token.text[1:-1].lower() and token.text[1:-1].isidentifier():
        return token.text[1:-1]
    return "<>" if token.text == "!=" else token.text


def _is_unary(tokens: Sequence[Token], index: int) -> bool:
    if index == 0:
        return True
    before = tokens[index - 1]
    return before.kind == "operator" or before.text in ("(", ",", "[") or before.word in BEFORE_EXPRESSION


def _squash(words: list[str]) -> list[str]:
    """Leave one element of an IN list, an ARRAY and the rows of VALUES, and forget EXTRACT's field."""
    tokens = tuple(Token("word", word, 0) for word in words)
    result: list[str] = []
    index = 0
    while index < len(words):
        result.append(words[index])
        if words[index : index + 2] == ["extract", "("] and index + 2 < len(words):
            result += ["(", _CONSTANT]
            index += 3
        elif words[index] in ("in", "array") and words[index + 1 : index + 2] in (["("], ["["]):
            end = closing(tokens, index + 1)
            result += [words[index + 1], *_first_if_alike(words[index + 2 : end])]
            index = end
        elif words[index] == "values":
            end = _rows_end(words, tokens, index + 1)
            result += _first_if_alike(words[index + 1 : end])
            index = end
        else:
            index += 1
    return result


def _rows_end(words: list[str], tokens: tuple[Token, ...], index: int) -> int:
    while index < len(words) and words[index] == "(":
        index = closing(tokens, index) + 1
        if words[index : index + 2] != [",", "("]:
            break
        index += 1
    return min(index, len(words))


def _first_if_alike(words: list[str]) -> list[str]:
    elements: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "," and depth == 0:
            elements.append([])
        else:
            elements[-1].append(word)
    return elements[0] if all(element == elements[0] for element in elements) else words
