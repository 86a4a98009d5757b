"""Find calls and casts in an SQL expression, by its tokens: what a rule quotes must be the user's own text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.postgres.lex import IncompleteError, Token, lex, significant

#: Words that stand before a parenthesis and call nothing.
_NOT_CALLS = frozenset(
    {
        "and", "or", "not", "in", "any", "all", "some", "case", "when", "then", "else", "between", "like", "ilike",
        "is", "exists", "array", "row", "select", "where", "filter", "over", "within", "collate", "as", "interval",
        "varchar", "char", "character", "varying", "numeric", "decimal", "vector", "halfvec", "bit", "sparsevec",
        "timestamp", "time", "values", "from", "using",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One function call; `start` and `end` are positions in the text."""

    #: Folded, without its schema.
    name: str
    #: None when it was called by its bare name.
    schema: str | None
    arguments: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One `operand::type`."""

    operand: str
    #: Folded, modifiers left out.
    type: str
    #: Of the type, such as the dimensions of a vector; None when it has none.
    modifier: str | None
    start: int
    end: int

    @property
    def of_constant(self) -> bool:
        """Say whether a literal is cast, which happens once, when the index is made."""
        return self.operand[:1] in ("'", "$") or self.operand.replace(".", "").isdigit()


def tokens_of(text: str) -> tuple[Token, ...]:
    """Cut an expression into tokens without comments; nothing when it cannot be read."""
    try:
        return significant(lex(text))
    except IncompleteError:
        return ()


def calls(text: str) -> Iterator[Call]:
    """Yield the function calls of an expression, from left to right."""
    tokens = tokens_of(text)
    for number, token in enumerate(tokens[:-1]):
        name = token.name
        if not name or name in _NOT_CALLS or tokens[number + 1].text != "(":
            continue
        qualified = number >= 2 and tokens[number - 1].text == "."
        if number and tokens[number - 1].text == "::":
            continue
        close = _closing(tokens, number + 1)
        if close is not None:
            yield Call(
                name=name,
                schema=tokens[number - 2].text.strip('"').lower() if qualified else None,
                arguments=_arguments(text, tokens[number + 1 : close + 1]),
                start=tokens[number - 2].start if qualified else token.start,
                end=tokens[close].end,
            )


def casts(text: str) -> Iterator[Cast]:
    """Yield the casts of an expression whose operand is a name, a literal, a call or in parentheses."""
    tokens = tokens_of(text)
    for number, token in enumerate(tokens):
        if token.text != "::" or not 0 < number < len(tokens) - 1:
            continue
        first = _operand_start(tokens, number - 1)
        kind, modifier, end = _type_after(text, tokens, number + 1)
        yield Cast(
            operand=text[tokens[first].start : tokens[number - 1].end],
            type=kind,
            modifier=modifier,
            start=tokens[first].start,
            end=end,
        )


def _type_after(text: str, tokens: Sequence[Token], number: int) -> tuple[str, str | None, int]:
    last = number
    words = [tokens[number].word or tokens[number].text.strip('"')]
    modifier = None
    while last + 1 < len(tokens):
        token = tokens[last + 1]
        if token.text == ".":
            words = [tokens[last + 2].word] if last + 2 < len(tokens) else words
            last += 2
        elif token.word in ("varying", "precision", "with", "without", "time", "zone"):
            words.append(token.word)
            last += 1
        elif token.text == "(" and (close := _closing(tokens, last + 1)) is not None:
            modifier = text[token.end : tokens[close].start].strip()
            last = close
        elif token.text == "[" and last + 2 < len(tokens) and tokens[last + 2].text == "]":
            words[-1] += "[]"
            last += 2
        else:
            break
    last = min(last, len(tokens) - 1)
    return " ".join(words), modifier, tokens[last].end


def _operand_start(tokens: Sequence[Token], last: int) -> int:
    first = last
    if tokens[last].text in (")", "]"):
        first = _opening(tokens, last)
        if first and (tokens[first - 1].word not in _NOT_CALLS and tokens[first - 1].kind in ("word", "quoted")):
            first -= 1
    while first >= 2 and tokens[first - 1].text == ".":
        first -= 2
    return first


def _closing(tokens: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for number in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[number].text, 0)
        if depth == 0:
            return number
    return None


def _opening(tokens: Sequence[Token], closing: int) -> int:
    depth = 0
    for number in range(closing, -1, -1):
        depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(tokens[number].text, 0)
        if depth == 0:
            return number
    return 0


def _arguments(text: str, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Split what stands between the parentheses at the commas of the first level."""
    if len(tokens) == 2:
        return ()
    found: list[str] = []
    depth, start = 0, tokens[0].end
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if (token.text == "," and depth == 1) or depth == 0:
            found.append(text[start : token.start].strip())
            start = token.end
    return tuple(found)
