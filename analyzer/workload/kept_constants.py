"""Put constants back where the server has replaced them in one place of a query and kept them in another.

An expression of GROUP BY, ORDER BY or DISTINCT ON that repeats one of the select list, or of another such list, is that
very expression to the server. pg_stat_statements replaces its constants in the first place and keeps them in the
others: as it stands, the text no longer says that they are the same.
"""

from collections.abc import Iterator, Sequence

from analyzer.postgres.lex import Token, lex, significant
from analyzer.workload.plannable import Edit, apply

#: What ends a list of expressions, on its own level.
_ENDS = frozenset({
    "having", "window", "order", "limit", "offset", "fetch", "for", "union", "intersect", "except", "returning",
    "range", "rows", "groups", "from", "select", "where", "group", "into",
})  # fmt: skip
#: What stands behind an expression of ORDER BY.
_DIRECTIONS = frozenset({"asc", "desc", "nulls", "first", "last"})
#: Brackets of GROUP BY that hold lists themselves.
_SETS = frozenset({"rollup", "cube", "sets"})
#: Bounds of the search, far beyond what people write.
_MOST_EXPRESSIONS, _LONGEST_EXPRESSION = 1_000, 500


def put_back(text: str) -> str:
    """Return a statement with the constants that it tells of itself; raises IncompleteError as `lex` does."""
    tokens = significant(lex(text))
    listed = [tokens[start:end] for start, end in _expressions(tokens) if end - start <= _LONGEST_EXPRESSION]
    by_shape: dict[tuple[str, ...], list[Sequence[Token]]] = {}
    for expression in listed[:_MOST_EXPRESSIONS]:
        by_shape.setdefault(_shape(expression), []).append(expression)
    edits: dict[int, Edit] = {}
    for alike in by_shape.values():
        kept = next((each for each in alike if not any(token.kind == "parameter" for token in each)), None)
        for expression in alike if kept is not None and len(kept) > 1 else ():
            for constant, parameter in zip(kept or (), expression, strict=True):
                if parameter.kind == "parameter":
                    edits[parameter.start] = Edit(parameter.start, parameter.end, constant.text)
    return apply(text, list(edits.values()))


def _shape(expression: Sequence[Token]) -> tuple[str, ...]:
    """Return what two expressions have in common that differ in constants alone."""
    return tuple(
        "$" if _is_replaceable(expression, index) else _folded(token) for index, token in enumerate(expression)
    )


def _expressions(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield the expressions of select lists, GROUP BY, ORDER BY and DISTINCT ON, in one pass."""
    #: Where the expression began that is open in each bracket; None outside of such lists.
    begun: list[int | None] = [None]
    of_distinct = [False]
    of_sets = [False]
    for index, token in enumerate(tokens):
        before = tokens[index - 1].word if index else ""
        if token.text in ("(", "["):
            of_distinct.append(_is_distinct_on(tokens, index))
            is_set = before in _SETS or (of_sets[-1] and begun[-1] == index)
            of_sets.append(is_set)
            begun.append(index + 1 if is_set or of_distinct[-1] else None)
            continue
        closes = token.text in (")", "]")
        if closes or token.text == "," or token.word in _ENDS:
            yield from _trimmed(tokens, begun[-1], index)
            begun[-1] = None if begun[-1] is None or token.text != "," else index + 1
        if closes and len(begun) > 1:
            begun.pop()
            of_sets.pop()
            if of_distinct.pop():
                begun[-1] = index + 1
        begins = token.word == "select" or (token.word == "by" and before in ("group", "order"))
        if begins or (begun[-1] == index and token.word in ("all", "distinct")):
            begun[-1] = index + 1
    yield from _trimmed(tokens, begun[-1], len(tokens))


def _is_distinct_on(tokens: Sequence[Token], opening: int) -> bool:
    return opening > 1 and [token.word for token in tokens[opening - 2 : opening]] == ["distinct", "on"]


def _trimmed(tokens: Sequence[Token], begun: int | None, end: int) -> Iterator[tuple[int, int]]:
    """Yield an expression without its direction or alias; one with a last word that may be an alias both ways."""
    if begun is None:
        return
    while end > begun and tokens[end - 1].word in _DIRECTIONS:
        end -= 1
    if end - begun > 2 and tokens[end - 2].word == "as":
        end -= 2
    if end > begun:
        yield begun, end
    if end - begun > 2 and tokens[end - 1].name and _ends_operand(tokens[end - 2]):
        yield begun, end - 1


def _is_replaceable(expression: Sequence[Token], index: int) -> bool:
    """Say whether a token is a constant, or a parameter that may stand for one; the field of an EXTRACT is one too."""
    token = expression[index]
    is_field = index > 1 and expression[index - 2].word == "extract" and expression[index - 1].text == "("
    return token.kind in ("string", "number", "parameter") or is_field


def _ends_operand(token: Token) -> bool:
    return token.text in (")", "]") or token.kind in ("parameter", "string", "number", "word", "quoted")


def _folded(token: Token) -> str:
    return token.word or token.text
