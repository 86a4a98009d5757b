"""A definition as a server prints it, printed and parsed until the print stays the same."""

from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")

#: More than any expression needs; what still changes then is compared as it is.
_MOST_PASSES = 6


def fixpoint(wanted: T, printed: Callable[[T], T]) -> T:
    """Return what a server prints as it stands; `printed` parses a definition and prints it.

    One pass is not enough: `v IN ('a', 'b')` on a varchar column is printed with a cast of the array, and that text
    with casts of its elements. How many passes a definition of a database has gone through depends on who created it.
    """
    form, again = wanted, printed(wanted)
    for _ in range(_MOST_PASSES):
        if again == form:
            break
        form, again = again, printed(again)
    return again


def printed_once(printed: Callable[[T], T], *, key: Callable[[T], Hashable] = lambda form: form) -> Callable[[T], T]:
    """Keep what is printed of each form: two that turn out the same share all passes but the first."""
    known: dict[Hashable, T] = {}

    def once(form: T) -> T:
        found = key(form)
        if found not in known:
            known[found] = printed(form)
        return known[found]

    return once
