"""Give a type to the parameters of a statement whose types the server took for text, from what the server says of it.

A constant without a type takes it from where it stands; of the parameter that stands for it the server knows less, and
takes text where nothing beside it decides: in a list of values, an array, a CASE, a set operation. The error names the
other side, whose type is then given to the parameters that make up this side, wherever in the statement these are.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import psycopg

from analyzer.postgres.lex import Token, lex, significant
from analyzer.workload.places import Place, Places
from analyzer.workload.plannable import Edit, apply

#: What the server takes an unknown constant for, and an array of such.
_UNTYPED = frozenset({"text", "text[]", "unknown"})
#: Date and time functions that cannot be resolved without the type of their last argument.
_TIME_FUNCTIONS = frozenset({"date_trunc", "date_part", "extract", "age", "date_bin"})
_DATES = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
_ARITHMETIC = frozenset("+-*/%")
#: How a statement can write an operator, beside its name.
_WRITTEN = {"=": frozenset({"in"}), "<>": frozenset({"in"}), ">=": frozenset({"between"}), "<=": frozenset({"between"})}
#: Types of the arguments of functions that exist for several.
_KINDS = {"generate_series": "integer"}
#: Which argument of a function of any type is an element: by its place, from the end where that is negative.
_ELEMENTS = {
    "to_json": 0, "to_jsonb": 0, "array_fill": 0, "array_prepend": 0,
    "array_append": -1, "array_remove": -1, "array_position": 1,
}  # fmt: skip


def repair(text: str, error: psycopg.Error, *, offset: int = 0) -> str | None:
    """Cast the parameters whose type the server could not determine; None when the error is another.

    `offset` counts the characters sent before the place of the error that are not of the text, such as
    `EXPLAIN (GENERIC_PLAN) `.
    """
    position = int(error.diag.statement_position or 0) - 1 - offset
    edits = _Repair(significant(lex(text)), position).edits(error.diag.message_primary or "")
    return apply(text, edits) if edits else None


class _Repair(Places):
    """One statement, and the place the server names."""

    def __init__(self, tokens: Sequence[Token], position: int) -> None:
        super().__init__(tokens)
        self._position = position

    def edits(self, message: str) -> list[Edit]:
        """Return the casts that the message asks for."""
        for pattern, cast in (
            (r"could not determine data type of parameter (\$\d+)", self._undetermined),
            (r"could not determine polymorphic (type)", self._polymorphic),
            (r"operator is not unique: .*?(\S+) unknown$", self._ambiguous_operator),
            (r"function (?:\w+\.)?(\w+)\(.*\) is not unique", self._ambiguous_function),
            (r"function (?:\w+\.)?(\w+)\((.+)\) does not exist", self._passed),
            (r"operator does not exist: (.+) (\S+) (.+)$", self._compared),
            (r"column \".*\" is of type (.+) but expression is of type text", self._placed),
            (r"column \d+ has type text in non-recursive term but type (.+) overall", self._placed),
            (r"argument of .+ must be type (.+), not type text", self._placed),
            (r"JOIN/USING types (.+) and (.+) cannot be matched", self._used),
            (r"(?:UNION|INTERSECT|EXCEPT) types (.+) and (.+) cannot be matched", self._united),
            (r"\w+ types (.+) and (.+) cannot be matched", self._matched),
        ):
            if found := re.search(pattern, message):
                return cast(*found.groups())
        return []

    def _undetermined(self, parameter: str) -> list[Edit]:
        bare = (i for i, token in enumerate(self._tokens) if token.text == parameter and self._is_bare(i))
        return self._cast(self._nearest(bare), "text")

    def _polymorphic(self, _: str) -> list[Edit]:
        """Cast an element that decides a type; the server refuses a string there, so that it was a number."""
        for index, token in enumerate(self._tokens):
            if token.word in _ELEMENTS and self._text(index + 1) == "(":
                arguments = list(self._parts(index + 2, self._end(index + 1)))
                element = arguments[_ELEMENTS[token.word] :][:1]
                if element and element[0][1] == element[0][0] + 1 and self._is_bare(element[0][0]):
                    return self._cast(element[0][0], "integer")
        return []

    def _ambiguous_operator(self, operator: str) -> list[Edit]:
        return self._cast(self._beside(operator), "integer")

    def _ambiguous_function(self, function: str) -> list[Edit]:
        kind = "timestamptz" if function in _TIME_FUNCTIONS else _KINDS.get(function, "numeric")
        return self._cast(self._last_argument(function), kind)

    def _passed(self, function: str, types: str) -> list[Edit]:
        """Cast what is passed as text to a function that takes no text: it was made of numbers."""
        calls = (i for i, token in enumerate(self._tokens) if token.word == function and self._text(i + 1) == "(")
        at = self._nearest(calls)
        arguments = () if at is None else self._parts(at + 2, self._end(at + 1))
        texts = (place for place, kind in zip(arguments, types.split(", "), strict=False) if kind in ("text", "text[]"))
        return [edit for place in texts for edit in self._edits(place, "integer")]

    def _placed(self, kind: str) -> list[Edit]:
        at = self._nearest(range(len(self._tokens)))
        return [] if at is None else self._edits(self._operand(at), kind)

    def _matched(self, first: str, second: str) -> list[Edit]:
        return self._placed(second if first in _UNTYPED else first)

    def _united(self, first: str, second: str) -> list[Edit]:
        """Cast a column in every arm of a set operation: two arms of unknown constants are text to a third."""
        kind = second if first in _UNTYPED else first
        at = self._nearest(range(len(self._tokens)))
        column = () if at is None else self._united_with(at)
        return [edit for place in column for edit in self._edits(place, kind)]

    def _cast(self, index: int | None, kind: str) -> list[Edit]:
        return [] if index is None else [Edit(self._tokens[index].end, self._tokens[index].end, f"::{kind}")]

    def _edits(self, place: Place | None, kind: str) -> list[Edit]:
        """Cast every parameter that an expression takes its type from."""
        if place is None:
            return []
        found = dict(self._sources(*place, kind, depth=0))
        return [edit for index, own in sorted(found.items()) for edit in self._cast(index, own)]

    def _compared(self, left: str, operator: str, right: str) -> list[Edit]:
        """Cast the side of a comparison that is taken for text; where both are, arithmetic wants a number."""
        words = _WRITTEN.get(operator, frozenset[str]())
        at = self._nearest(i for i, token in enumerate(self._tokens) if token.text == operator or token.word in words)
        if operator == "=" and (at is None or not self._position_is(at)) and (edits := self._used(left, right)):
            return edits
        if at is None:
            return []
        if "integer" in (left, right) and {left, right} & _DATES:
            return self._cast(self._nearest(self._subtracted()), "integer")
        if {left, right} <= _UNTYPED:
            return self._edits(self._left(at), "integer") if operator in _ARITHMETIC else []
        if right in _UNTYPED:
            kind = _fitting(left, right)
            return [edit for place in self._rights(at) for edit in self._edits(place, kind)]
        return self._edits(self._left(at), _fitting(right, left)) if left in _UNTYPED else []

    def _used(self, left: str, right: str) -> list[Edit]:
        """Cast the column that a USING joins by, where the server has no `=` to point at."""
        kind = right if left in _UNTYPED else left
        at = self._nearest(i for i, token in enumerate(self._tokens) if token.word == "using")
        if at is None or not {left, right} & _UNTYPED or self._text(at + 1) != "(":
            return []
        names = [self._tokens[start].name for start, _ in self._parts(at + 2, self._end(at + 1))]
        return [edit for name in names for place, own in self._defined(name, kind) for edit in self._edits(place, own)]

    def _subtracted(self) -> Iterator[int]:
        """Yield the parameters that are taken from something; two dates would be a number of days apart."""
        return (i for i in range(len(self._tokens)) if self._is_bare(i) and self._text(i - 1) == "-")

    def _position_is(self, at: int) -> bool:
        return self._tokens[at].start == self._position

    def _beside(self, operator: str) -> int | None:
        """Find the operator with an uncast parameter beside it, and return the parameter, the right one first."""
        found = {
            index: side
            for index, token in enumerate(self._tokens)
            if token.text == operator
            and (side := next((i for i in (index + 1, index - 1) if self._is_bare(i)), None)) is not None
        }
        at = self._nearest(found)
        return None if at is None else found[at]

    def _last_argument(self, function: str) -> int | None:
        calls = (i for i, token in enumerate(self._tokens) if token.word == function and self._text(i + 1) == "(")
        arguments = {
            call: bare[-1]
            for call in calls
            if (bare := [i for i in range(call + 2, self._end(call + 1)) if self._is_bare(i)])
        }
        at = self._nearest(arguments)
        return None if at is None else arguments[at]

    def _nearest(self, places: Iterable[int]) -> int | None:
        starts = {index: self._tokens[index].start for index in places}
        return min(starts, key=lambda index: (abs(starts[index] - self._position), starts[index]), default=None)


def _fitting(other: str, own: str) -> str:
    """Return the type of one side by that of the other: an array where it is one itself."""
    return other if not own.endswith("[]") or other.endswith("[]") else f"{other}[]"
