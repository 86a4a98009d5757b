"""Render the SQL templates; the one place where text becomes SQL.

Values are bound by the driver (`%(name)s`). What cannot be bound passes a filter: `ident` for names, `qualified` for
names that may carry their schema, `literal` for constants in DDL, `expression` for reviewed SQL expressions, `deparsed`
for text the server itself printed. A bare `{{ x }}` raises.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import LiteralString, cast

import jinja2
import psycopg.sql
from sqlglot import tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from analyzer.errors import InputError

#: A literal in DDL: what PostgreSQL prints without asking for a type.
Scalar = str | int | float | bool | None

#: Keywords that quote_ident() quotes: pg_get_keywords() of PostgreSQL 18 without category U.
_QUOTED_KEYWORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay
    placing position precision primary real references returning right row select session_user setof similar
    smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true
    union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - a paragraph reads better than 150 quoted words
)


class Sql(str):
    """Text that is already SQL."""

    __slots__ = ()


def ident(*names: str) -> Sql:
    """Quote a name, or a qualified name, as PostgreSQL's quote_ident() does: only where it must be."""
    return Sql(".".join(_quote(name) for name in names))


def _quote(name: str) -> str:
    if not name or "\0" in name:
        raise InputError(f"{name!r} is not a name PostgreSQL can hold; give it at least one character and no NUL")
    simple = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit() and name == name.lower()
    if simple and name not in _QUOTED_KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


_QUALIFIED = re.compile(r'(?P<schema>[A-Za-z_][\w$]*|"(?:[^"]|"")+")\.(?P<name>[A-Za-z_][\w$]*|"(?:[^"]|"")+")\Z')


def qualified(text: str) -> Sql:
    """Quote the name of an operator class or collation, with its schema when one is given.

    Quotes in the text are understood, so `pg_catalog."C.utf8"` and `"C.utf8"` say where a dot belongs to the name.
    """
    if match := _QUALIFIED.match(text):
        return ident(_unquote(match["schema"]), _unquote(match["name"]))
    return ident(_unquote(text))


def _unquote(name: str) -> str:
    if len(name) > 2 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name


def literal(value: Scalar) -> Sql:
    """Write a constant for DDL, where the server takes no bound values."""
    return Sql(psycopg.sql.Literal(value).as_string(None).strip())


def expression(text: str) -> Sql:
    """Admit a reviewed SQL expression, after making sure that it is one and cannot end the statement it stands in.

    Raises InputError for a semicolon, a comment, or brackets that do not match.
    """
    try:
        tokens = tokenize(text, read="postgres")
    except TokenError as error:
        raise InputError(f"the expression {text!r} cannot be read as SQL; check its quotes") from error
    opening = {TokenType.R_PAREN: TokenType.L_PAREN, TokenType.R_BRACKET: TokenType.L_BRACKET}
    open_brackets: list[TokenType] = []
    for token in tokens:
        if token.comments or token.token_type is TokenType.SEMICOLON:
            raise InputError(f"the expression {text!r} contains a comment or a semicolon; give the expression alone")
        if token.token_type in opening.values():
            open_brackets.append(token.token_type)
        elif token.token_type in opening and (not open_brackets or open_brackets.pop() != opening[token.token_type]):
            raise InputError(f"the expression {text!r} closes a bracket it did not open")
    if open_brackets or not tokens:
        raise InputError(f"the expression {text!r} is empty or leaves a bracket open")
    return Sql(text.strip())


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
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        ident=ident, literal=literal, expression=expression, deparsed=deparsed, names=_names, qualified=qualified
    )
    env.globals["ident"] = ident  # pyright: ignore[reportArgumentType] - Jinja types only its own globals
    return env


def render_text(template: str, /, **values: object) -> str:
    """Render `sql_templates/<template>.sql.jinja` to text without its header comment."""
    try:
        text = environment().get_template(f"{template}.sql.jinja").render(values)
    except jinja2.TemplateNotFound as error:
        raise InputError(f"there is no SQL template {error.name!r} in {template_dir()}") from error
    return text.strip()


def render(template: str, /, **values: object) -> psycopg.sql.SQL:
    """Render `sql_templates/<template>.sql.jinja` to a query for psycopg; `%(name)s` in it stays to be bound."""
    return psycopg.sql.SQL(cast("LiteralString", render_text(template, **values)))
