"""Render the SQL templates; the one place where text becomes SQL.

Values are bound by the driver (`%(name)s`). What cannot be bound passes a filter: `ident` for names, `qualified` for
names that may carry their schema, `literal` for constants in DDL, `expression` for reviewed SQL expressions, `deparsed`
for text the server itself printed. A bare `{{ x }}` raises.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import LiteralString, cast

import jinja2
import psycopg.sql

from analyzer.errors import InputError
from analyzer.postgres.identifiers import PART, quote, unquote
from analyzer.postgres.lex import WHITE_SPACE, IncompleteError, Token, lex

#: A literal in DDL: what PostgreSQL prints without asking for a type.
Scalar = str | int | float | bool | None

#: Bounds of an expression: far beyond what anybody reviews.
MOST_CHARACTERS = 100_000
MOST_BRACKETS = 200
#: How much of a text a message shows.
_SHOWN = 200
_CLOSING = {")": "(", "]": "["}
#: What may follow a number without a space: neither what a name goes on with nor a quote.
_AFTER_NUMBER = frozenset("()[],:;.+-*/<>=~!@#%^&|`?")


class Sql(str):
    """Text that is already SQL."""

    __slots__ = ()


def ident(*names: str) -> Sql:
    """Quote a name, or a qualified name, as PostgreSQL's quote_ident() does: only where it must be."""
    return Sql(".".join(_quote(name) for name in names))


@lru_cache(maxsize=4096)
def _quote(name: str) -> str:
    if not name or not _is_unicode(name):
        raise InputError(f"{name!r} is not a valid name; a name has at least one character and no NUL")
    return quote(name)


_QUALIFIED = re.compile(rf"(?P<schema>{PART})\.(?P<name>{PART})\Z")


def qualified(text: str) -> Sql:
    """Quote the name of an operator class or collation, with its schema when one is given.

    Quotes in the text are understood, so `pg_catalog."C.utf8"` and `"C.utf8"` say where a dot belongs to the name.
    """
    if match := _QUALIFIED.match(text):
        return ident(unquote(match["schema"]), unquote(match["name"]))
    return ident(unquote(text))


def literal(value: Scalar) -> Sql:
    """Write a constant for DDL, where the server takes no bound values."""
    return Sql(psycopg.sql.Literal(value).as_string(None).strip())


def expression(text: str) -> Sql:
    """Admit a reviewed SQL expression, after making sure that it is one and cannot end the statement it stands in.

    What is admitted ends where it seems to on every server, whatever its version and standard_conforming_strings.
    Raises InputError for a semicolon, a comment, a parameter, brackets that do not match, or a backslash in a plain
    string; see `conforming` for text that does not come from a person.
    """
    shown = shortened(text)
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"the expression {shown!r} is longer than {MOST_CHARACTERS:,} characters; shorten it")
    if not _is_unicode(text):
        raise InputError(f"the expression {shown!r} contains an invalid character; remove it")
    try:
        tokens = lex(text)
    except IncompleteError as error:
        raise InputError(f"the expression {shown!r} is not valid SQL; check its quotes") from error
    open_brackets: list[str] = []
    for token, following in zip(tokens, (*tokens[1:], None), strict=False):
        if problem := _problem(token, following):
            raise InputError(f"the expression {shown!r} {problem}")
        if token.kind == "punctuation" and token.text in _CLOSING.values():
            open_brackets.append(token.text)
        elif token.text in _CLOSING and (not open_brackets or open_brackets.pop() != _CLOSING[token.text]):
            raise InputError(f"the expression {shown!r} has an unmatched closing bracket")
        if len(open_brackets) > MOST_BRACKETS:
            raise InputError(f"the expression {shown!r} is nested more than {MOST_BRACKETS} levels deep; simplify it")
    if open_brackets or not tokens:
        raise InputError(f"the expression {shown!r} is empty or has an unclosed bracket")
    return Sql(text.strip(WHITE_SPACE))


def conforming(text: str) -> str:
    r"""Write plain strings that hold a backslash as E'…', which every server reads alike.

    A server prints `'\d'` in what it deparses, which is another string where standard_conforming_strings is off.
    """
    if "\\" not in text:
        return text
    try:
        tokens = lex(text)
    except IncompleteError:
        return text
    for token in reversed(tokens):
        if token.kind == "string" and token.text.startswith("'") and "\\" in token.text:
            apart = " " if re.search(r"[\w$]\Z", text[: token.start]) else ""
            escaped = token.text.replace("\\", "\\\\")
            text = f"{text[: token.start]}{apart}E{escaped}{text[token.end :]}"
    return text


def _admitted(text: str) -> Sql:
    return text if isinstance(text, Sql) else expression(conforming(text))


def _problem(token: Token, following: Token | None) -> str | None:
    """Say what about a token could end elsewhere, or mean something else, on another server."""
    if token.kind == "comment" or token.text == ";":
        return "contains a comment or a semicolon; use only the expression"
    if token.kind == "parameter":
        return f"contains the parameter {token.text}; use a constant"
    if token.kind == "string" and "\\" in token.text and token.text[0] in "'nNbBxX":
        # With standard_conforming_strings off, the string would run on after an escaped quote.
        return r"has a backslash in a plain string; write E'…\\…', with the backslash doubled"
    if (
        token.kind == "number"
        and following is not None
        and following.start == token.end
        and following.text[0] not in (_AFTER_NUMBER)
    ):  # 0x1F is one token since PostgreSQL 16, and two before
        return f"runs on after the number {token.text}without a space; insert one"
    return None


def shortened(text: str, most: int = _SHOWN) -> str:
    """Cut a text to what a message shows of it."""
    return text if len(text) <= most else f"{text[:most]}…"


def _is_unicode(text: str) -> bool:
    """Say whether a text can be sent: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))


def deparsed(text: str) -> Sql:
    """Mark text that a PostgreSQL server printed of its own catalog (pg_get_indexdef and its like)."""
    return Sql(text)


def _names(names: Iterable[str]) -> Sql:
    return Sql(", ".join(ident(name) for name in names))


def _finalize(value: object) -> object:
    if isinstance(value, Sql):
        return value
    raise jinja2.TemplateRuntimeError(f"{value!r} reached SQL without ident, literal or expression")


def template_dir() -> Path:
    """Find sql_templates: a checkout's own copy, else the one in the installed package."""
    package = Path(__file__).parent
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "sql_templates").is_dir():
        return checkout / "sql_templates"
    return package / "sql_templates"


@cache
def environment() -> jinja2.Environment:
    """Return the one Jinja environment: strict, quoting enforced."""
    env = jinja2.Environment(  # noqa: S701 - SQL, not HTML; _finalize enforces quoting
        loader=jinja2.FileSystemLoader(template_dir()),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        ident=ident, literal=literal, expression=_admitted, deparsed=deparsed, names=_names, qualified=qualified
    )
    env.globals["ident"] = ident  # pyright: ignore[reportArgumentType] - Jinja types only its own globals
    return env


def render_text(template: str, /, **values: object) -> str:
    """Render `sql_templates/<template>.sql.jinja` to text without its header comment."""
    try:
        text = environment().get_template(f"{template}.sql.jinja").render(values)
    except jinja2.TemplateNotFound as error:
        raise InputError(f"SQL template {error.name!r} does not exist in {template_dir()}") from error
    return text.strip()


def render(template: str, /, **values: object) -> psycopg.sql.SQL:
    """Render `sql_templates/<template>.sql.jinja` to a query for psycopg; `%(name)s` in it stays to be bound."""
    return psycopg.sql.SQL(cast("LiteralString", render_text(template, **values)))
