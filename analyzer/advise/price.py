"""Make statements plannable and price them: with values for their parameters, and with what their triggers run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from analyzer.advise.benefit import Execution, PricedStatement, Query
from analyzer.advise.fit_parameters import calibrate
from analyzer.documents.snapshot import Constraint, NotExamined, Relation
from analyzer.documents.weights import Weight
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import render_text
from analyzer.twin.pool import TwinPool
from analyzer.twin.twin import Asked, Plan, Twin, walk
from analyzer.workload.bindings import (
    bindings,
    bound_text,
    logged_bindings,
    with_constants,
    with_frequent_values,
    with_stable_values,
)
from analyzer.workload.gaps import Missed, gaps
from analyzer.workload.parse import Statement
from analyzer.workload.repair import repair
from analyzer.workload.shapes import Shape, TableShape, beyond, planned_shape, shape
from analyzer.workload.variables import without_variables

#: How many parameters of one statement may need a cast before it is given up.
_MOST_REPAIRS = 25
#: A chain of ON DELETE CASCADE is followed so far.
_MOST_CASCADES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A text that a statement stands for: itself, or with one of several keys in the place of a parameter."""

    #: As it is to be resolved and bound.
    statement: Statement
    #: As the planner takes it.
    text: str
    shape: Shape | NotExamined
    #: What its plan asks of tables beyond that.
    planned: Shape | None


def shaped_and_priced(twin: Twin, statement: Statement) -> tuple[Shape | NotExamined, PricedStatement | NotExamined]:
    """Resolve a statement to tables, and make it plannable whether or not that can be done."""
    own = _reading(statement, twin)
    if isinstance(own, NotExamined):
        return shape(statement, twin.catalog), own
    variants = [_reading(replace(statement, plannable=text), twin) for text in statement.variants]
    readings = [each for each in variants if isinstance(each, _Reading)] or [own]
    shaped = _united([each.shape for each in readings])
    try:
        return shaped, _price(statement, own.text, readings, None if isinstance(shaped, NotExamined) else shaped, twin)
    except RecursionError:  # each level of a plan is two of the JSON it comes in
        return shaped, _unplanned(statement, "its plan is nested too deeply")


def price_all(
    twin: Twin,
    statements: Sequence[Statement],
    pool: TwinPool | None,
    shares: Mapping[Statement, float],
    weigh_by: Weight = "time",
) -> tuple[list[PricedStatement], list[NotExamined]]:
    """Price statements, on the copies of a pool if there is one; return beside them what was not examined."""
    priced: list[PricedStatement] = []
    missed: list[Missed] = []
    found = pool.map(shaped_and_priced, statements) if pool else (shaped_and_priced(twin, each) for each in statements)
    for statement, (shaped, item) in zip(statements, found, strict=True):
        if not isinstance(item, NotExamined):
            priced.append(item)
        reason, is_priced = _gap(statement, shaped, item)
        if reason is not None:
            missed.append(
                Missed(
                    id=statement.id,
                    text=statement.text,
                    share_of_time=shares[statement],
                    reason=reason,
                    is_priced=is_priced,
                )
            )
    return priced, list(gaps(missed, weigh_by))


def _gap(
    statement: Statement, shaped: Shape | NotExamined, item: PricedStatement | NotExamined
) -> tuple[str | None, bool]:
    """Return what was not examined of a statement, and whether it was priced all the same."""
    if isinstance(item, NotExamined):
        return item.reason, False
    if isinstance(shaped, NotExamined) and item.more:
        return f"planned, but candidates are drawn from its plan alone, not from its text: {shaped.reason}", True
    if isinstance(shaped, NotExamined):
        return f"planned, but no candidate is drawn from it: {shaped.reason}", True
    if statement.unknown_keys:
        columns = ", ".join(statement.unknown_keys)
        reason = (
            f"planned, but no candidate is drawn from its conditions on keys of {columns}: the keys are parameters, "
            "and no function, view, index or other statement names any"
        )
        return reason, True
    return None, True


def _reading(statement: Statement, twin: Twin) -> _Reading | NotExamined:
    found = _plannable(statement, twin)
    if isinstance(found, NotExamined):
        return found
    text, plan = found
    # Of a function's statement the text has its variables as parameters now.
    read = statement if statement.toplevel else replace(statement, plannable=text)
    known, planned = shape(read, twin.catalog), planned_shape(read, plan.tree, twin.catalog)
    if planned is not None and isinstance(known, Shape):
        planned = beyond(planned, known)
    return _Reading(statement=read, text=text, shape=known, planned=planned)


def _united(shapes: Sequence[Shape | NotExamined]) -> Shape | NotExamined:
    """Return what the texts of one statement ask together."""
    known = [each for each in shapes if isinstance(each, Shape)]
    if not known:
        return shapes[0]
    return replace(known[0], tables=tuple(dict.fromkeys(table for each in known for table in each.tables)))


def _unplanned(statement: Statement, reason: str) -> NotExamined:
    return NotExamined(what=f"the statement {statement.id}", reason=reason)


def _plannable(statement: Statement, twin: Twin) -> tuple[str, Plan] | NotExamined:
    """Return the text that the planner takes, with the types of parameters that the server asks for, and its plan."""
    text = statement.plannable
    if (obstacle := twin.obstacle(text)) is not None:
        return _unplanned(statement, obstacle)
    for _ in range(_MOST_REPAIRS):
        try:
            plan = twin.plan(text, verbose=True, search_path=statement.search_path)
        except psycopg.Error as error:
            typed = repair(text, error, offset=twin.offset(text, error, verbose=True))
            if typed is None and not statement.toplevel:
                typed = without_variables(text, error)
            if typed is None:
                return _unplanned(statement, _rejection(error, twin))
            text = typed
        except RecursionError:
            return _unplanned(statement, "its plan is nested too deeply")
        else:
            lacks = twin.replaced_in(plan)
            return (text, plan) if lacks is None else _unplanned(statement, f"it needs what the twin lacks: {lacks}")
    return _unplanned(statement, "too many of its parameters have no type")


def _rejection(error: psycopg.Error, twin: Twin) -> str:
    message = error.diag.message_primary or str(error).splitlines()[0]
    if (lacks := twin.lacked(error.sqlstate or "", message)) is not None:
        return f"it needs what the twin lacks: {lacks}"
    return f"the planner rejects it: {message}"


def _price(
    statement: Statement, generic: str, readings: Sequence[_Reading], known: Shape | None, twin: Twin
) -> PricedStatement:
    seen = with_constants(statement, generic)
    shown = seen if seen == generic or _is_planned(twin, seen, statement.search_path, generic=True) else generic
    queries = _logged(generic, shown, statement, twin) or tuple(
        replace(query, times=query.times / len(readings)) for each in readings for query in _queries(each, twin)
    )
    triggered = tuple(_triggered(statement, known, twin)) if known else ()
    tables = None
    if known:
        tables = frozenset(QualifiedName(t.schema, t.table) for t in known.tables) | {table for table, _ in triggered}
    return PricedStatement(
        statement=statement,
        shape=known,
        more=tuple(dict.fromkeys((*_planned(readings), *_bound_shapes(statement, known, twin)))),
        generic=shown,
        execution=Execution(
            queries=queries,
            triggered=tuple(query for _, query in triggered),
            search_path=statement.search_path,
        ),
        tables=tables,
    )


def _planned(readings: Sequence[_Reading]) -> Iterator[Shape]:
    return (each.planned for each in readings if each.planned is not None)


def _bound_shapes(statement: Statement, known: Shape | None, twin: Twin) -> Iterator[Shape]:
    """Yield what a statement asks with the values that its parameters always have, beyond what it asks without."""
    text = with_stable_values(statement)
    bound = shape(replace(statement, plannable=text), twin.catalog) if text is not None else None
    more = beyond(bound, known) if isinstance(bound, Shape) and known is not None else None
    if more is not None:
        yield more
    if known is not None and any(table.nearest for table in known.tables):
        yield from _often(statement, known, twin)


def _often(statement: Statement, known: Shape, twin: Twin) -> Iterator[Shape]:
    """Yield the orders by distance of a statement with the conditions on values that its parameters often have."""
    for text in with_frequent_values(statement, known):
        bound = shape(replace(statement, plannable=text), twin.catalog)
        if not isinstance(bound, Shape) or len(bound.tables) != len(known.tables):
            continue
        for table, before in zip(bound.tables, known.tables, strict=True):
            often = tuple(each for each in table.conditions if each not in before.conditions)
            if table.nearest and often:
                ordered = TableShape(
                    schema=table.schema, table=table.table, alias=table.alias, nearest=table.nearest, often=often
                )
                yield replace(known, tables=(ordered,))


def _logged(text: str, generic: str, statement: Statement, twin: Twin) -> tuple[Query, ...]:
    """Ask for a statement as the log has it: with the values it ran with, and where it was prepared as `generic`."""
    bound = [(bound_text(text, each), each.weight) for each in logged_bindings(statement)]
    planned = [(query, weight) for query, weight in bound if _is_planned(twin, query, statement.search_path)]
    if not planned:
        return ()
    is_generic = statement.logged is not None and statement.logged.prepared > 0 and len(planned) > 1
    rest = 1 / (len(planned) + is_generic)
    prepared = (Query(text=generic, times=rest),) if is_generic else ()
    scale = (1 - rest if is_generic else 1) / sum(weight for _, weight in planned)
    return (*prepared, *(Query(text=query, times=scale * weight, generic=False) for query, weight in planned))


def _is_planned(twin: Twin, query: str, search_path: tuple[str, ...] | None, *, generic: bool = False) -> bool:
    try:
        twin.plan(query, generic=generic, search_path=search_path)
    except psycopg.Error:
        return False
    return True


def _queries(reading: _Reading, twin: Twin) -> tuple[Query, ...]:
    shaped = reading.shape
    bound = tuple(_bound(reading.text, reading.statement, shaped, twin)) if isinstance(shaped, Shape) else ()
    return bound or (Query(text=reading.text, times=1.0),)


def _bound(text: str, statement: Statement, shape: Shape, twin: Twin) -> Iterator[Query]:
    fitted = calibrate(text, statement, shape, twin)
    if fitted:
        for query in fitted:
            yield Query(text=query, times=1 / len(fitted), generic=False)
        return
    bound = tuple((bound_text(text, each), each.weight) for each in bindings(statement, shape, twin.snapshot))
    if not bound:
        return
    try:
        twin.plan_all([Asked(text=query, generic=False) for query, _ in bound], search_path=statement.search_path)
    except psycopg.Error:
        return
    for query, weight in bound:
        yield Query(text=query, times=weight, generic=False)


def _triggered(statement: Statement, shape: Shape, twin: Twin) -> Iterator[tuple[QualifiedName, Query]]:
    """Yield what deleting a row of a referenced table, or changing its key, runs on each referencing table."""
    known = statement.rows is not None and statement.calls > 0 and statement.kind != "select"
    per_call = (statement.rows or 0) / statement.calls if known else 1.0
    for table in shape.tables:
        if table.target == "delete":
            yield from _deleted(QualifiedName(table.schema, table.table), per_call, (), twin)
        elif table.target in ("update", "merge"):
            for relation, constraint in twin.catalog.referencing(table.schema, table.table):
                if set(constraint.referenced_columns) & set(table.written):
                    text = _look_up("check_delete", relation, constraint)
                    yield relation.full_name, Query(text=text, times=per_call)


def _deleted(
    deleted: QualifiedName, times: float, above: tuple[QualifiedName, ...], twin: Twin
) -> Iterator[tuple[QualifiedName, Query]]:
    """Follow a delete through its foreign keys; a cascade goes on from the rows that the planner expects it to hit."""
    if len(above) >= _MOST_CASCADES or deleted in above:
        return
    for relation, constraint in twin.catalog.referencing(*deleted):
        cascades = constraint.on_delete == "c"
        text = _look_up("cascade_delete" if cascades else "check_delete", relation, constraint)
        table = relation.full_name
        yield table, Query(text=text, times=times)
        if cascades:
            rows = _scanned_rows(twin.plan(text))
            yield from _deleted(table, times * rows, (*above, deleted), twin)


def _look_up(template: str, relation: Relation, constraint: Constraint) -> str:
    return render_text(f"advise/{template}", relation=relation, columns=list(enumerate(constraint.columns, 1)))


def _scanned_rows(plan: Plan) -> float:
    """Return how many rows the scan below a DELETE is expected to find; the DELETE itself returns none."""
    return max((float(node.get("Plan Rows", 0)) for node in walk(plan.tree)), default=0.0)
