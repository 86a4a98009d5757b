"""Make one of statements that differ in nothing the planner sees: aliases, comments, quoting, IN lists, columns' order.

Each keeps its ID, as a member of what stands for all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

from analyzer.catalog import Catalog
from analyzer.documents.server_log import LoggedBinding, LoggedStatement
from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import lex, significant
from analyzer.workload.canonical_form import Form, canonical_form
from analyzer.workload.statement import Statement, Workload, add_up

#: Bindings of a statement, as a log has them at most.
_MOST_BINDINGS = 8


def by_shape(workload: Workload, snapshot: Snapshot) -> Workload:
    """Return the workload with one statement for all of one shape, in the place of the first of them."""
    return replace(workload, statements=tuple(map(_standing_for, grouped(workload.statements, snapshot))))


def grouped(
    statements: Iterable[Statement], snapshot: Snapshot
) -> tuple[tuple[tuple[Statement, Form | None], ...], ...]:
    """Return the statements in groups of one shape, each with its form; a statement without a form is alone."""
    catalog = Catalog(snapshot)
    names = frozenset(each.name for each in (*snapshot.functions, *snapshot.types))
    found: dict[object, list[tuple[Statement, Form | None]]] = {}
    for place, statement in enumerate(statements):
        form = canonical_form(
            statement.plannable,
            catalog.under(statement.search_path),
            is_limit_counted=statement.rows is not None,
        )
        key = place if form is None else (form.text, *_beside(statement, names))
        found.setdefault(key, []).append((statement, form))
    return tuple(map(tuple, found.values()))


def _beside(statement: Statement, names: frozenset[str]) -> Iterator[object]:
    """Yield what decides the plan besides the form: keys of JSON, and a path under which functions are looked up."""
    yield statement.toplevel
    yield statement.variants
    yield statement.unknown_keys
    path = statement.search_path
    is_looked_up = path is not None and not names.isdisjoint(
        token.name for token in significant(lex(statement.plannable))
    )
    yield path if is_looked_up else None


def _standing_for(group: Sequence[tuple[Statement, Form | None]]) -> Statement:
    members = sorted(group, key=lambda each: (-each[0].weight, each[0].id))
    first, form = members[0]
    if len(members) == 1 or form is None:
        return first
    total = reduce(add_up, (statement for statement, _ in members))
    return replace(
        total,
        id=first.id,
        queryid=first.queryid,
        text=first.text,
        plannable=first.plannable,
        parameters=first.parameters,
        logged=_logged(first, form, members),
        members=tuple(statement for statement, _ in members),
    )


def _logged(first: Statement, form: Form, members: Sequence[tuple[Statement, Form | None]]) -> LoggedStatement | None:
    """Put the values of all members in the places of the first one's parameters, weighted by their calls."""
    logged = [(member.logged, other, member.calls) for member, other in members if member.logged and other]
    if not logged:
        return None
    shares: dict[tuple[str | None, ...], float] = {}
    for each, other, calls in logged:
        for binding in each.bindings:
            if (values := _moved(binding, other, form)) is not None:
                shares[values] = shares.get(values, 0.0) + binding.share * (calls or 1)
    heaviest = sorted(shares.items(), key=lambda each: -each[1])[:_MOST_BINDINGS]
    whole = sum(share for _, share in heaviest)
    own = first.logged or logged[0][0]
    bindings = tuple(LoggedBinding(values=values, share=share / whole) for values, share in heaviest)
    return own.model_copy(
        update={
            "bindings": bindings,
            "constants": _constants(form, logged) if len(logged) == len(members) else (),
            "calls": sum(each.calls for each, _, _ in logged),
            "prepared": sum(each.prepared for each, _, _ in logged),
        }
    )


def _constants(here: Form, members: Sequence[tuple[LoggedStatement, Form, float]]) -> tuple[int, ...]:
    """Return the parameters that are constants in the texts of all members."""
    places = set(range(len(here.parameters)))
    for each, there, _ in members:
        known = set(each.constants)
        places &= {place for place, number in enumerate(there.parameters) if number in known}
    return tuple(sorted({here.parameters[place] for place in places}))


def _moved(binding: LoggedBinding, there: Form, here: Form) -> tuple[str | None, ...] | None:
    """Return the values for the parameters of another text of one form; None where it has more or fewer."""
    if len(there.parameters) != len(here.parameters) or max(there.parameters, default=0) > len(binding.values):
        return None
    placed = {mine: binding.values[theirs - 1] for mine, theirs in zip(here.parameters, there.parameters, strict=True)}
    return tuple(placed.get(number) for number in range(1, max(placed, default=0) + 1))
