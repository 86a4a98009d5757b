"""Put objects into an order in which each comes behind what it depends on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

Edges = Mapping[int, Sequence[int]]


def referenced_by(dependencies: Iterable[tuple[int, int]]) -> Edges:
    """Return what each object depends on, from pairs of (dependent, referenced)."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for dependent, referenced in dependencies:
        found[dependent].append(referenced)
    return found


def in_order(objects: Iterable[int], edges: Edges) -> Iterator[int]:
    """Yield the objects in the given order, but what one depends on before it; a circle is broken where it is met."""
    given = dict.fromkeys(objects)
    entered = set[int]()
    for first in given:
        # Of what is being looked at: the object, and what is left of its dependencies.
        pending = [(first, iter(edges.get(first, ())))] if first not in entered else []
        entered.add(first)
        while pending:
            item, rest = pending[-1]
            following = next((each for each in rest if each not in entered), None)
            if following is None:
                pending.pop()
                if item in given:
                    yield item
            else:
                entered.add(following)
                pending.append((following, iter(edges.get(following, ()))))


def reached(objects: Iterable[int], edges: Edges) -> Iterator[int]:
    """Yield what the objects depend on, and what that does; themselves too."""
    pending = [*objects]
    entered = set(pending)
    while pending:
        item = pending.pop()
        yield item
        following = set(edges.get(item, ())) - entered
        pending += following
        entered |= following


def causes(missing: Iterable[int], edges: Edges) -> dict[int, frozenset[int]]:
    """Return, for each missing object, the missing ones that it lacks and that lack nothing themselves."""
    lacking = set(missing)
    found: dict[int, frozenset[int]] = {}
    for each in in_order(sorted(lacking), {item: edges.get(item, ()) for item in lacking}):
        needed = [other for other in edges.get(each, ()) if other in lacking and other in found]
        roots = frozenset[int]().union(*(found[other] for other in needed))
        found[each] = roots or frozenset({each})
    return found
