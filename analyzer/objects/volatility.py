"""Which of a server's functions and casts an index may hold: what pg_proc and pg_cast say is immutable.

Types are named as in `operator_classes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.objects.operator_classes import EXACT, OperatorClasses


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function by its name and argument types."""

    schema: str
    name: str
    arguments: tuple[str, ...]
    returns: str
    #: An index may hold it: it is immutable and returns one value.
    is_immutable: bool
    #: How many of the last arguments a call may leave out.
    defaults: int = 0
    is_variadic: bool = False

    def parameters(self, count: int) -> tuple[str, ...] | None:
        """Return the types that a call of so many arguments gives; None where it may not have so many."""
        if self.is_variadic:
            *first, last = self.arguments
            more = (last.removesuffix("[]"),) * max(0, count - len(first))
            return (*first, *more)[:count] if count >= len(first) - self.defaults else None
        return self.arguments[:count] if 0 <= len(self.arguments) - count <= self.defaults else None


class Volatility:
    """The functions and casts of one server; empty where no server is known."""

    def __init__(self, *, functions: Iterable[Function] = (), casts: Iterable[tuple[str, str, bool]] = ()) -> None:
        self._functions = tuple(functions)
        #: Immutable casts, each with whether it is implicit.
        self._casts: Mapping[tuple[str, str], bool] = {(source, target): implicit for source, target, implicit in casts}

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Function]]:
        found: dict[str, list[Function]] = {}
        for each in self._functions:
            found.setdefault(each.name, []).append(each)
        return found

    def casts(self, source: str, target: str) -> bool:
        """Say whether a cast between two base types is immutable."""
        return (source, target) in self._casts

    def called(
        self, schemas: Sequence[str], name: str, kinds: Sequence[str | None], operators: OperatorClasses
    ) -> Function | None:
        """Return the immutable function that a call means, by the types of its arguments; None is a plain constant.

        A call that could mean a function that is not immutable or takes any number of arguments means none.
        """
        ranked: list[tuple[int, int, tuple[str, ...], Function]] = []
        for each in self._by_name.get(name, ()):
            parameters = each.parameters(len(kinds)) if each.schema in schemas else None
            if parameters is not None:
                fits = [self._fit(kind, wanted, operators) for kind, wanted in zip(kinds, parameters, strict=True)]
                if all(fits):
                    ranked.append((-sum(fits), schemas.index(each.schema), parameters, each))
        # The parser takes one that fits exactly, whatever else there is.
        ranked = [each for each in ranked if each[0] == -len(kinds) * (1 + EXACT)] or ranked
        if not ranked or not all(each.is_immutable for *_, each in ranked):
            return None
        return min(ranked, key=lambda each: each[:2])[-1]

    def _fit(self, kind: str | None, wanted: str, operators: OperatorClasses) -> int:
        """Say how well a value fits an argument; 0 when it does not, or by a cast that an index may not hold."""
        if kind is None:
            return 1
        if operators.type_named(kind) == wanted:  # a domain, as it is
            return 1 + EXACT
        base = operators.base(kind)
        if fit := operators.fit(base, wanted):
            return 1 + fit
        return int(self._casts.get((base, wanted), False))
