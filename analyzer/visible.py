"""Show text that somebody else chose, so that it can be read and does nothing.

Names, comments and messages of a database, a file or a pull request may hold line breaks, terminal escapes, characters
that change the direction of a line or are invisible. Each is written as Python writes it: `\\x1b`, `\\u202e`.
"""

import re
import unicodedata

#: Control, format and surrogate characters, line and paragraph separators.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Letters and marks that have no glyph (Default_Ignorable_Code_Point beyond the categories).
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_FOLDED = re.compile(r"[ \t\r\n]+")
#: What the runner of GitHub's workflows takes for a command wherever it stands, and at the start of a line.
_ANYWHERE = "##["
_AT_START = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)


def visible(text: str) -> str:
    """Write text as one line that shows every character it holds, white space other than a blank included."""
    return _shown(text, kept="")


def visible_block(text: str) -> str:
    """Write text that may run over lines; line feeds and tabs stay as they are."""
    return _shown(text.replace("\r\n", "\n"), kept="\n\t")


def one_line(text: str) -> str:
    """Fold white space, as of a server's message that runs over lines, and show what is left."""
    return visible(_FOLDED.sub(" ", text).strip())


def visible_json(text: str) -> str:
    """Write a JSON document with the same meaning, whose strings hold no character that cannot be seen."""
    if _plain(text.replace("\n", "")):
        return text
    escaped = "".join(_json_escape(c) if c != "\n" and _hidden(c) else c for c in text)
    return escaped.replace(_ANYWHERE, "#\\u0023[")


def visible_yaml(text: str) -> str:
    """Write a YAML document with the same meaning; what cannot be seen stands in double quotes in it."""
    if _plain(text.replace("\n", "")):
        return text
    return "".join(_yaml_escape(c) if c != "\n" and _hidden(c) else c for c in text)


def without_commands(text: str) -> str:
    """Show the colons that begin a line, which in the log of a workflow would be a command."""
    return _AT_START.sub(r"\1\\x3a", text)


def _shown(text: str, *, kept: str) -> str:
    if _plain(text):
        return text
    escaped = "".join(_escape(c) if c not in kept and _hidden(c) else c for c in text)
    return escaped.replace(_ANYWHERE, "#\\x23[")


def _plain(text: str) -> bool:
    return text.isprintable() and _ANYWHERE not in text and (text.isascii() or not _BLANK.intersection(text))


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _BLANK


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _yaml_escape(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
