"""Python text of operations, as ruff would format it inside a function, and SQL as it was before that."""

from collections.abc import Iterator, Mapping

from analyzer.postgres.lex import IncompleteError, lex

INDENT = " " * 4
_WIDTH = 90
#: Where a long CREATE INDEX or CREATE STATISTICS breaks first.
_CLAUSES = frozenset({"ON", "INCLUDE", "WITH", "TABLESPACE", "WHERE", "FROM"})


def call(name: str, arguments: Iterator[str]) -> str:
    """Write a call, an argument a line."""
    body = "".join(f"{INDENT}{argument},\n" for argument in arguments)
    return f"{name}(\n{body})"


def mapping(name: str, values: Mapping[str, str]) -> str:
    """Write an argument that is a dict."""
    pairs = "".join(f"{INDENT * 2}{text(key)}: {text(value)},\n" for key, value in values.items())
    return f"{name}={{\n{pairs}{INDENT}}}"


def sequence(name: str, values: tuple[str, ...]) -> str:
    """Write an argument that is a tuple."""
    lines = "".join(f"{INDENT * 2}{text(value)},\n" for value in values)
    return f"{name}=(\n{lines}{INDENT})"


def text(value: str) -> str:
    """Write a string literal with the quotes ruff prefers."""
    quoted = repr(value)
    if quoted[0] == "'" and '"' not in value:
        return f'"{quoted[1:-1]}"'
    return quoted


def sql_text(sql: str) -> str:
    """Write SQL as a triple-quoted literal, a long statement one clause a line."""
    if '"""' in sql or "\\" in sql or not sql.isprintable():
        return text(sql)
    lines = _wrapped(sql)
    if len(lines) == 1 and not sql.endswith('"'):
        return f'"""{sql}"""'
    inner = "".join(f"{INDENT * 2}{line}\n" for line in lines)
    return f'"""\n{inner}{INDENT}"""'


def _wrapped(sql: str) -> list[str]:
    """Break a statement before its clauses, and a clause that is still long between any two tokens."""
    if len(sql) <= _WIDTH:
        return [sql]
    try:
        tokens = lex(sql)
    except IncompleteError:
        return [sql]
    lines: list[str] = []
    begin = gap = depth = 0
    for token in tokens:
        after_space = token.start > 0 and sql[token.start - 1] == " "
        gap = token.start if after_space else gap
        clause = after_space and depth == 0 and token.word.upper() in _CLAUSES
        if clause or token.end - begin > _WIDTH:
            cut = token.start if clause else gap
            lines += [sql[begin:cut].rstrip()] if cut > begin else []
            begin = max(begin, cut)
        depth += (token.text == "(") - (token.text == ")")
    return [*lines, sql[begin:].rstrip()]


def unwrapped(sql: str, separator: str) -> str:
    """Take the indentation of a revision off a statement, unless a constant in it runs over lines."""
    try:
        whole = any("\n" in token.text for token in lex(sql))
    except IncompleteError:
        whole = True
    return sql.strip() if whole else separator.join(line.strip() for line in sql.strip().split("\n"))
