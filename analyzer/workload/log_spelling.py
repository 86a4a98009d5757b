"""Tell which statement a logged text is; texts that differ in constants and comments alone are read as SQL once."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from analyzer.db import MARKER
from analyzer.postgres.carried_queries import is_query
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.workload.fingerprint import fingerprint

_LONGEST_STATEMENT: Final = 100_000
#: Spellings of statements that are remembered, to be fingerprinted once.
_MOST_SPELLINGS: Final = 20_000
#: A longer one is remembered as its hash.
LONGEST_SPELLING: Final = 4_096

_NAME: Final = r"\w$\u0080-\U0010ffff"
_ESCAPES: Final = rf"(?<=[eE]')(?<![{_NAME}][eE]')"
#: Constants, comments, and quoted names, in which neither begins. Its first characters are few: most are passed over.
_CONSTANT = re.compile(
    rf"""['"0-9/-](?:
    (?<=')(?:{_ESCAPES}(?:[^'\\]|\\.|'')*'|(?!{_ESCAPES})[^']*(?:''[^']*)*')
    |(?<=[0-9])(?<![{_NAME}.][0-9])(?:(?<=0)[xobXOB][0-9a-fA-F_]+
        |[0-9_]*(?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9]+)?)(?![{_NAME}.])
    |(?<=")[^"]*"
    |(?<=-)-[^\r\n]*
    |(?<=/)\*(?:[^*]|\*(?!/))*\*/
    )""",
    re.DOTALL | re.ASCII | re.VERBOSE,
)
#: What a constant is written as: whether it was a string or a number makes no other statement.
_ANY: Final = "''"
_BY = re.compile(r"\b[bB][yY]\b")
#: Dollar quotes, a comment within a comment, a string in several pieces, or behind a number without a space.
_BEYOND = re.compile(
    r"""[$/'0-9_.](?:
    (?<=\$)(?:[^\W\d]\w{0,62})?\$
    |(?<=/)\*(?:[^*]|\*(?!/))*?/\*
    |(?<=')[ \t\f\v]*(?:--[^\r\n]*)?[\r\n](?:\s|--[^\r\n]*[\r\n])*'
    |(?<=[0-9_.])[eE]'
    )""",
    re.DOTALL | re.VERBOSE,
)


def spelling(text: str) -> str:
    """Return a statement without its constants and comments; two that come out alike have the same fingerprint."""
    if _may_be_beyond(text) and _BEYOND.search(text):
        return text
    if '"' not in text and "--" not in text and "/*" not in text and not _has_by(text):
        return _CONSTANT.sub(_ANY, text)
    by = _BY.search(text)
    listing = by.start() if by is not None else len(text)
    is_commented = "--" in text

    def kept(found: re.Match[str]) -> str:
        match text[found.start()]:
            case "'":
                return _ANY
            case '"':
                return found[0]
            case "-":
                return "--"
            case "/":
                return "/**/"
            case _:
                is_kept = found.start() > listing and (is_commented or _may_be_place(text, found.start()))
                return found[0] if is_kept else _ANY

    return _CONSTANT.sub(kept, text)


def _may_be_beyond(text: str) -> bool:
    """Tell without a search whether there may be what `_BEYOND` finds."""
    return "$" in text or "\n" in text or "e'" in text or "E'" in text or "/*" in text or "\r" in text


def _has_by(text: str) -> bool:
    return "BY" in text or "by" in text or "By" in text or "bY" in text


def _may_be_place(text: str, index: int) -> bool:
    """Tell whether a number may stand for a column in a list of BY, and is no constant."""
    while text[index - 1].isspace():
        index -= 1
    return text[index - 1] in ",/" or text[index - 2 : index].lower() == "by"


@dataclass(slots=True)
class Identities:
    """What texts of statements are, as far as remembered; what it says of one does not depend on those before."""

    _known: dict[str, str] = field(default_factory=dict[str, str])

    def find(self, text: str, *, same_text: bool) -> str:
        """Return the fingerprint of a query; of anything else `u` and its first word, or `x` and why it is skipped.

        With `same_text`, another execution of the statement is likely to have the text itself.
        """
        identity = self._known.get(text)
        if identity is not None:
            return identity
        if len(text) > _LONGEST_STATEMENT:
            return f"xstatements of more than {_LONGEST_STATEMENT:,} characters"
        if MARKER in text:
            return "xstatements of twindex"
        spelt = spelling(text)
        if len(spelt) > LONGEST_SPELLING:
            spelt = hashlib.sha256(spelt.encode("utf-8", "surrogatepass")).hexdigest()
        identity = self._known.get(spelt)
        if identity is None:
            identity = _identity(text)
            self._remember(spelt, identity)
        if same_text and len(text) <= LONGEST_SPELLING:
            self._remember(text, identity)
        return identity

    def __reduce__(self) -> tuple[type["Identities"], tuple[()]]:
        """Leave behind what is remembered."""
        return Identities, ()

    def _remember(self, text: str, identity: str) -> None:
        if len(self._known) >= _MOST_SPELLINGS:
            for each in list(self._known)[: _MOST_SPELLINGS // 2]:
                del self._known[each]
        self._known[text] = identity


def _identity(text: str) -> str:
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return "xstatements that cannot be read as SQL"
    if not is_query(tokens):
        first = next((token.word for token in tokens if token.text != "("), "")
        return f"u{first.upper()[:20]}"
    if any(token.text == ";" for token in tokens[:-1]):
        return "xseveral statements in one message, whose times cannot be separated"
    return fingerprint(tokens)
