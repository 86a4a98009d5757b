"""The expressions in a statement's tokens: where each begins and ends, and which parameters decide its type."""

from collections.abc import Iterable, Iterator, Sequence

from analyzer.postgres.lex import Token
from analyzer.workload.plannable import BEFORE_EXPRESSION

#: Functions whose result has the type of their arguments.
_PASSING = frozenset({"coalesce", "greatest", "least", "nullif", "min", "max", "any_value"})
_ENDS_ITEM = frozenset({
    "from", "where", "union", "except", "intersect", "group", "order", "limit", "offset", "having", "returning", "into",
})  # fmt: skip
#: What stands before brackets and names no function.
_NO_FUNCTION = BEFORE_EXPRESSION | {"join", "lateral", "materialized"}
_BEGINS_ITEM = frozenset({"select", "all", "distinct"})
_UNITES = frozenset({"union", "intersect", "except"})
_QUANTIFIERS = frozenset({"any", "all", "some"})
#: Expressions within each other that are looked into.
_DEEPEST = 20

#: Where an expression begins and ends, in tokens.
Place = tuple[int, int]


class Places:
    """The expressions of one statement."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._closing, self._opening = _brackets(tokens)

    def _rights(self, operator: int) -> Iterator[Place | None]:
        """Yield what stands to the right of an operator; BETWEEN has two such."""
        start = operator + 1
        if self._word(start) in _QUANTIFIERS and self._text(start + 1) == "(":
            start += 1
        place = self._operand(start)
        yield place
        if self._word(operator) == "between" and place is not None and self._word(place[1]) == "and":
            yield self._operand(place[1] + 1)

    def _left(self, operator: int) -> Place | None:
        start = operator - 1
        if self._text(start) in (")", "]"):
            start = self._opening.get(start, start)
            if self._is_name(start - 1):
                start -= 1
        elif self._word(start) == "end":
            start = self._start_of_case(start)
        while self._text(start - 1) == "." and start > 1:
            start -= 2
        return (start, operator) if start >= 0 else None

    def _start_of_case(self, end: int) -> int:
        depth = 0
        for index in range(end, -1, -1):
            depth += (self._word(index) == "end") - (self._word(index) == "case")
            if depth == 0:
                return index
        return 0

    def _operand(self, start: int) -> Place | None:
        """Return where the expression that begins here ends, as far as operators reach into it."""
        tokens = self._tokens
        if start >= len(tokens):
            return None
        if tokens[start].text == "(":
            return start, self._end(start) + 1
        if tokens[start].word == "array" and self._text(start + 1) == "[":
            return start, self._end(start + 1) + 1
        if tokens[start].word == "case":
            return start, self._end_of_case(start)
        end = start + 1
        while self._text(end) == "." and end + 1 < len(tokens):
            end += 2
        if self._is_name(start) and self._text(end) == "(":
            end = self._end(end) + 1
        return start, end

    def _end_of_case(self, start: int) -> int:
        depth = 0
        for index in range(start, len(self._tokens)):
            depth += (self._word(index) == "case") - (self._word(index) == "end")
            if depth == 0:
                return index + 1
        return len(self._tokens)

    def _sources(self, start: int, end: int, kind: str, *, depth: int) -> Iterator[tuple[int, str]]:
        """Yield the parameters that an expression takes its type from, each with the type that makes that `kind`."""
        if start >= end or depth > _DEEPEST:
            return
        if end == start + 1 and self._is_bare(start):
            yield start, kind
            return
        for (first, last), own in self._decisive(start, end, kind):
            yield from self._sources(first, last, own, depth=depth + 1)

    def _decisive(self, start: int, end: int, kind: str) -> Iterator[tuple[Place, str]]:
        """Yield the parts of an expression that decide its type, each with the type that makes that `kind`."""
        word, opens = self._tokens[start].word, self._text(start + 1)
        if self._text(start) == "(" and self._end(start) == end - 1:
            yield (start + 1, end - 1), kind
        elif word == "array" and opens == "(":
            yield (start + 2, self._end(start + 1)), kind.removesuffix("[]")
        elif word == "array" and opens == "[":
            yield from ((part, kind.removesuffix("[]")) for part in self._parts(start + 2, self._end(start + 1)))
        elif word == "case":
            yield from ((part, kind) for part in self._arms(start, end))
        elif word in ("values", "select"):
            # Of a comparison of rows the server names the first column that differs.
            yield from ((part, kind) for part in self._differing(start, end))
        elif word in _PASSING and opens == "(":
            yield from ((part, kind) for part in self._parts(start + 2, self._end(start + 1)))
        elif word == "unnest" and opens == "(":
            yield (start + 2, self._end(start + 1)), f"{kind}[]"
        elif self._is_name(end - 1):
            yield from self._defined(self._tokens[end - 1].name, kind)

    def _differing(self, start: int, end: int) -> Sequence[Place]:
        """Return the first column of a query or of VALUES that is a parameter somewhere, or else the first."""
        columns = _columns(self._table(start, end))
        return next((each for each in columns if any(self._is_bare(at) for at, _ in each)), next(iter(columns), ()))

    def _table(self, start: int, end: int) -> Iterator[Sequence[Place]]:
        """Yield the columns of each arm of a query, or of each row of VALUES."""
        return self._rows(start, end) if self._word(start) == "values" else self._selected(start, end)

    def _selected(self, start: int, end: int) -> Iterator[Sequence[Place]]:
        """Yield the select list of a query, and of those that are united with it."""
        level, begun = 0, start
        closes = set[int]()
        for index in range(start, end):
            if level == 0 and self._text(index) == "(" and (index == begun or self._is_united(index - 1)):
                begun = index + 1
                closes.add(self._end(index))
            elif index not in closes:
                level += self._level(index)
            if level == 0 and self._word(index) == "select":
                items = self._parts(index + 1, self._end_of_items(index + 1, end))
                yield [(first, last - 2 * self._is_alias(first, last)) for first, last in items]

    def _is_alias(self, first: int, last: int) -> bool:
        return last - first > 2 and self._word(last - 2) == "as"

    def _is_united(self, index: int) -> bool:
        """Say whether a token is the last word of a set operation's, with an arm behind it."""
        return self._word(index - (self._word(index) in ("all", "distinct"))) in _UNITES

    def _united_with(self, at: int) -> Sequence[Place]:
        """Return the places of the column that holds a token, in all arms of the set operation around it."""
        opening = self._around(at)
        while opening is not None and (self._is_united(opening - 1) or self._word(self._end(opening) + 1) in _UNITES):
            opening = self._around(opening)
        start, end = (0, len(self._tokens)) if opening is None else (opening + 1, self._end(opening))
        columns = _columns(self._selected(start, end))
        return next((each for each in columns if any(first <= at < last for first, last in each)), ())

    def _around(self, at: int) -> int | None:
        """Return the bracket that opened last before a token and is not closed there."""
        return next((i for i in range(at - 1, -1, -1) if i in self._closing and self._closing[i] > at), None)

    def _end_of_items(self, start: int, end: int) -> int:
        level = 0
        for index in range(start, end):
            level += self._level(index)
            if level < 0 or (level == 0 and self._word(index) in _ENDS_ITEM):
                return index
        return end

    def _defined(self, name: str, kind: str) -> Iterator[tuple[Place, str]]:
        """Yield what a column is made of that the statement itself makes: of a list, a query or a function in FROM."""
        for index, token in enumerate(self._tokens):
            if token.name != name:
                continue
            if self._word(index - 1) == "as" and (item := self._item(index - 1)) is not None:
                yield item, kind
            elif (source := self._named_by(index)) is not None:
                yield from self._column(*source, kind)

    def _item(self, end: int) -> Place | None:
        """Return the item of a select list that ends here, when it is one operand."""
        place = self._left(end)
        is_whole = place is not None and (self._word(place[0] - 1) in _BEGINS_ITEM or self._text(place[0] - 1) == ",")
        return place if is_whole else None

    def _named_by(self, index: int) -> tuple[int, int, int] | None:
        """Return what a name in `(…) AS v (a, name)`, `f(…) AS name` or `v (a, name) AS (…)` names, and its column."""
        column, opening = 0, index - 1
        while opening > 0 and self._text(opening) == "," and self._is_name(opening - 1):
            column, opening = column + 1, opening - 2
        if self._text(opening) == "(" and self._is_name(opening - 1):
            after = self._end(opening) + 1
            if self._word(after) == "as" and (query := self._bracket(after + 1)) is not None:
                return (*query, column)
            alias = opening - 1
        else:
            column, alias = 0, index
        end = alias - (self._word(alias - 1) == "as")
        end -= 2 * (self._word(end - 1) == "ordinality")
        if self._text(end - 1) != ")":
            return None
        start = self._opening.get(end - 1)
        if start is None:
            return None
        return (start - 1 if self._is_name(start - 1) else start, end, column)

    def _bracket(self, index: int) -> Place | None:
        while self._word(index) in ("not", "materialized"):
            index += 1
        return (index, self._end(index) + 1) if self._text(index) == "(" else None

    def _column(self, start: int, end: int, column: int, kind: str) -> Iterator[tuple[Place, str]]:
        first = start + 1 if self._text(start) == "(" else start
        match self._word(first):
            case "values" | "select":
                yield from ((part, kind) for part in _nth(self._table(first, end - 1), column))
            case "unnest":
                arguments = list(self._parts(first + 2, self._end(first + 1)))
                yield from ((part, f"{kind}[]") for part in arguments[column : column + 1])
            case _:
                pass

    def _rows(self, start: int, end: int) -> Iterator[list[Place]]:
        index = start + 1
        while index < end and self._text(index) == "(":
            after = self._end(index)
            yield list(self._parts(index + 1, after))
            index = after + 2

    def _arms(self, start: int, end: int) -> Iterator[Place]:
        """Yield what a CASE can result in."""
        level, begun = 0, None
        for index in range(start, end):
            word = self._word(index)
            level += (word == "case") - (word == "end")
            if begun is not None and (level == 0 or (level == 1 and word in ("when", "else"))):
                yield begun, index
                begun = None
            if level == 1 and word in ("then", "else"):
                begun = index + 1

    def _parts(self, start: int, end: int) -> Iterator[Place]:
        level, begun = 0, start
        for index in range(start, end):
            level += self._level(index)
            if level == 0 and self._text(index) == ",":
                yield begun, index
                begun = index + 1
        if begun < end:
            yield begun, end

    def _end(self, opening: int) -> int:
        """Return the index of the bracket that closes another one, or the number of tokens."""
        return self._closing.get(opening, len(self._tokens))

    def _is_bare(self, index: int) -> bool:
        there = 0 <= index < len(self._tokens) and self._tokens[index].kind == "parameter"
        return there and self._text(index + 1) != "::"

    def _is_name(self, index: int) -> bool:
        """Say whether a token is the name of a function, a column or an alias."""
        return 0 <= index < len(self._tokens) and self._tokens[index].name not in {"", *_NO_FUNCTION}

    def _level(self, index: int) -> int:
        return (self._text(index) in ("(", "[")) - (self._text(index) in (")", "]"))

    def _word(self, index: int) -> str:
        return self._tokens[index].word if 0 <= index < len(self._tokens) else ""

    def _text(self, index: int) -> str:
        return self._tokens[index].text.lower() if 0 <= index < len(self._tokens) else ""


def _brackets(tokens: Sequence[Token]) -> tuple[dict[int, int], dict[int, int]]:
    """Match the brackets: where each closes, and where each opens."""
    closing: dict[int, int] = {}
    open_: list[int] = []
    for index, token in enumerate(tokens):
        if token.text in ("(", "["):
            open_.append(index)
        elif token.text in (")", "]") and open_:
            closing[open_.pop()] = index
    return closing, {end: start for start, end in closing.items()}


def _columns(rows: Iterable[Sequence[Place]]) -> Sequence[Sequence[Place]]:
    """Turn rows into columns; the shortest row counts."""
    return list(zip(*rows, strict=False))


def _nth(rows: Iterable[Sequence[Place]], column: int) -> Iterator[Place]:
    return (row[column] for row in rows if column < len(row))
