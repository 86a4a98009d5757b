"""Parse SQL into sqlglot's tree without letting it misread PostgreSQL's operators and parameters."""

from collections import OrderedDict
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from analyzer.errors import InputError
from analyzer.postgres.lex import Token, lex, significant
from analyzer.workload.nesting import obstacle

#: Operators whose precedence and meaning sqlglot knows; all others reach it as OPERATOR(…), which it keeps apart.
_KNOWN_OPERATORS = frozenset(["+", "-", "*", "/", "%", "^", "<", ">", "=", "<=", ">=", "<>", "!=", "||"])


#: Functions of which sqlglot without a schema makes something of another name or another order of arguments.
_PLAIN = frozenset(
    """
    array_to_string ascii bit_length btrim ceil ceiling chr date_bin date_part decode encode exp floor host
    initcap ln log lpad ltrim mod power repeat replace reverse round rpad rtrim sign split_part sqrt
    string_to_array strpos translate trunc
    """.split()  # noqa: SIM905 - a paragraph reads better than quoted words
)
#: Words before a name that is no function.
_NAMING = frozenset(("as", "into", "recursive", "with"))
#: The schema that they have while they are parsed.
_MARK = "twindex_plain_call"


class UnreadableError(InputError):
    """The statement's grammar is beyond the parser."""


class _Trees:
    """The trees parsed last, as many as come of so many characters: a tree takes hundreds of bytes for each."""

    def __init__(self) -> None:
        self._trees: OrderedDict[str, exp.Expr] = OrderedDict()
        self._characters = 0

    def parse(self, text: str) -> exp.Expr:
        if text in self._trees:
            self._trees.move_to_end(text)
            return self._trees[text]
        tree = self._trees[text] = _parse(text)
        self._characters += len(text)
        while self._characters > _MOST_KEPT and len(self._trees) > 1:
            oldest, _ = self._trees.popitem(last=False)
            self._characters -= len(oldest)
        return tree


_MOST_KEPT = 2_000_000
_TREES = _Trees()


def parse(text: str) -> exp.Expr:
    """Parse one plannable statement or view; raises UnreadableError. The tree is shared: do not change it."""
    return _TREES.parse(text)


def _is_call(tokens: Sequence[Token], index: int) -> bool:
    """Say whether a word is a function without a schema."""
    following = tokens[index + 1].text if index + 1 < len(tokens) else ""
    before = tokens[index - 1] if index else None
    return following == "(" and (before is None or (before.text != "." and before.word not in _NAMING))


def _unmark(tree: exp.Expr) -> None:
    """Take the schema off again that keeps a function as it is written."""
    for call in list(tree.find_all(exp.Dot)):
        if call.this.name == _MARK:
            call.replace(call.expression)
    for table in tree.find_all(exp.Table):
        if table.db == _MARK:
            table.set("db", None)


def _parse(text: str) -> exp.Expr:
    tokens = significant(lex(text))
    if (reason := obstacle(tokens)) is not None:
        raise UnreadableError(reason)
    parts: list[str] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        if token.word in _PLAIN and _is_call(tokens, index):
            parts.append(f"{_MARK}.")
        is_infix = before is not None and (before.kind not in ("operator", "punctuation") or before.text in (")", "]"))
        named = token.kind == "operator" and token.text not in _KNOWN_OPERATORS and is_infix
        parts.append(
            f" OPERATOR({token.text}) " if named else token.text if token.kind != "parameter" else f" {token.text} "
        )
        if index + 1 < len(tokens) and tokens[index + 1].start > token.end:
            parts.append(" ")
    written = "".join(parts).rstrip("; ")
    try:
        trees = [tree for tree in sqlglot.parse(written, read="postgres") if tree is not None]
    except (SqlglotError, TypeError, ValueError, RecursionError) as error:
        first = str(error).partition("\n")[0].partition(". Line")[0]
        raise UnreadableError(f"it could not be parsed ({first})") from error
    if len(trees) != 1 or isinstance(trees[0], exp.Command):
        raise UnreadableError("it could not be parsed")
    _unmark(trees[0])
    for function in trees[0].find_all(exp.Func):
        if "start" in function.meta:  # sqlglot makes the same of `substr` as of `substring`, of `nvl` as of `coalesce`
            function.meta["name"] = written[function.meta["start"] : function.meta["end"] + 1]
    return trees[0]
