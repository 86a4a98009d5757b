"""Build the flat database: the captured schema with empty storage."""

import contextlib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from psycopg import sql

from analyzer.db import Connection, execute_one
from analyzer.documents.snapshot import ExtendedStatistics, FunctionDef, Index, NotExamined, Relation, Snapshot
from analyzer.errors import CapabilityError
from analyzer.postgres.tablespaces import DEFAULT_TABLESPACE
from analyzer.sql import render
from analyzer.twin.schema.clock import clock_functions, freeze_clock
from analyzer.twin.schema.function_bodies import close_ways_out, take_bodies, without_effects
from analyzer.twin.schema.missing import Lost, lost_index, lost_relation
from analyzer.twin.schema.row_security import create_roles, policy_statements
from analyzer.twin.schema.stand_ins import called, stub
from analyzer.twin.server.containment import APPLICATION, CAPTURED
from analyzer.twin.server.sessions import Sessions

#: Objects created in one transaction.
_AT_ONCE = 100
_OWN_SCHEMAS = frozenset({"twindex_own", "twindex_scratch"})
#: Definitions of one stage that may end at the statement timeout.
_MOST_CANCELED = 3
#: How what the server prints whole begins; in its place a snapshot could have any statement.
_PRINTED = {
    "function": re.compile(r"CREATE OR REPLACE (?:FUNCTION|PROCEDURE) "),
    "index": re.compile(r"CREATE (?:UNIQUE )?INDEX "),
    "statistics": re.compile(r"CREATE STATISTICS "),
}
#: A default that draws from a sequence, as pg_get_expr prints it.
NEXTVAL = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """What of a snapshot the flat database lacks."""

    not_examined: tuple[NotExamined, ...] = ()
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """One object to create."""

    what: str
    query: sql.SQL
    #: What it is, where statements may miss it.
    source: Relation | Index | None = None
    #: What else is not what it was without it.
    also: tuple[Relation, ...] = ()
    #: Whether only a superuser can create it; its text then holds names and constants alone.
    is_privileged: bool = False
    #: Whether it is a function, which what comes behind it could run.
    has_body: bool = False


_Stage = Callable[[Snapshot], Iterable[_Object]]
_Failed = tuple[tuple[_Object, psycopg.Error], ...]


def build_flat(sessions: Sessions, snapshot: Snapshot, *, has_bodies: bool, is_open: bool = False) -> Flat:
    """Create everything captured, in whichever order the dependencies allow; return what could not be created.

    Without `has_bodies` functions that could run something are left without a body. Where it `is_open`, extensions
    keep the functions that reach out of the database.
    """
    superuser = sessions.superuser
    _prepare(sessions, snapshot)
    snapshot, flat = _without_impostors(snapshot)
    foreign = _without_foreign_tables(snapshot)
    flat = Flat(not_examined=flat.not_examined + foreign.not_examined, lost=flat.lost + foreign.lost)
    policies = partial(_policies, roles=create_roles(superuser, snapshot))
    for stage in (*_stages(), policies, _tablespaces):
        with sessions.building():
            failed, notes = _create_stage(sessions, stage, snapshot, has_bodies=has_bodies)
        if stage is _schemas_and_extensions and not is_open:
            close_ways_out(superuser)
        if stage is _schemas_and_extensions and not has_bodies:
            snapshot = snapshot.model_copy(update={"types": tuple(without_effects(superuser, snapshot.types))})
        flat = _with_failures(replace(flat, not_examined=flat.not_examined + notes), failed)
    superuser.execute(render("twin/mark_populated"))
    if snapshot.row_security:
        for schema in snapshot.schemas:
            # A schema that could not be made, or that an extension's tables are in.
            with contextlib.suppress(psycopg.Error):
                sessions.captured.execute(render("twin/let_write", schema=schema, role=APPLICATION))
    return flat


def _create_stage(
    sessions: Sessions, stage: _Stage, snapshot: Snapshot, *, has_bodies: bool
) -> tuple[_Failed, tuple[NotExamined, ...]]:
    """Create the objects of a stage, tables and what they need with stand-ins for what is missing here."""
    failed = _create_all(sessions, tuple(stage(snapshot)), has_bodies=has_bodies)
    if not failed or stage is not _types_tables_views:
        return failed, ()
    wanted = {item.what for item, _ in failed}
    fitted = stub(sessions.superuser, snapshot, frozenset(wanted))
    again = tuple(item for item in stage(fitted.snapshot) if item.what in wanted)
    failed = _create_all(sessions, again, has_bodies=has_bodies)
    reported = {item.what for item, _ in failed}
    return failed, tuple(note for note in fitted.not_examined if note.what not in reported)


def _prepare(sessions: Sessions, snapshot: Snapshot) -> None:
    superuser = sessions.superuser
    sessions.captured.execute(render("twin/prepare_session"))
    superuser.execute(render("twin/own_schema"))
    superuser.execute(render("twin/open_own_schema"))
    superuser.execute(render("twin/own_scratch", owner=CAPTURED))
    superuser.execute(render("twin/own_public", schema="public", owner=CAPTURED))
    for query in clock_functions(snapshot):
        superuser.execute(query)
    with contextlib.suppress(psycopg.Error):  # before 15 the server knows no such setting
        superuser.execute(render("twin/allow_tablespaces"))


def _with_failures(flat: Flat, failed: Iterable[tuple[_Object, psycopg.Error]]) -> Flat:
    notes, lost = list(flat.not_examined), list(flat.lost)
    for item, error in failed:
        reason = _reason(error)
        notes.append(NotExamined(what=item.what, reason=reason))
        if isinstance(item.source, Relation):
            lost.append(lost_relation(item.source, reason))
        elif item.source is not None:
            lost.append(lost_index(item.source, reason))
        lost += [lost_relation(relation, reason) for relation in item.also]
    return Flat(not_examined=tuple(notes), lost=tuple(lost))


def _without_impostors(snapshot: Snapshot) -> tuple[Snapshot, Flat]:
    """Leave out what has another statement in place of its definition, which no server printed."""
    notes: list[NotExamined] = []
    reason = "its definition in the snapshot is a different statement"

    def fits(kind: str, what: str, text: str) -> bool:
        if _PRINTED[kind].match(text) is None:
            notes.append(NotExamined(what=what, reason=reason))
            return False
        return True

    def elsewhere(schema: str, what: str) -> bool:
        if schema in _OWN_SCHEMAS:
            notes.append(NotExamined(what=what, reason="its schema name is reserved for the twin"))
        return schema not in _OWN_SCHEMAS

    functions = tuple(
        each
        for each in snapshot.functions
        if fits("function", _function(each), each.definition) and elsewhere(each.schema_name, _function(each))
    )
    indexes = tuple(each for each in snapshot.indexes if fits("index", _index(each), each.ddl))
    extended = tuple(e for e in snapshot.extended_statistics if fits("statistics", _statistics(e), e.definition))
    relations = tuple(each for each in snapshot.relations if elsewhere(each.schema_name, called(each)))
    types = tuple(each for each in snapshot.types if elsewhere(each.schema_name, f"type {each.name}"))
    lost = tuple(lost_index(each, reason) for each in snapshot.indexes if _PRINTED["index"].match(each.ddl) is None)
    update = {"functions": functions, "indexes": indexes, "extended_statistics": extended}
    update |= {"relations": relations, "types": types}
    fitted = snapshot.model_copy(update=update) if notes else snapshot
    return fitted, Flat(not_examined=tuple(notes), lost=lost)


def _without_foreign_tables(snapshot: Snapshot) -> Flat:
    foreign = [relation for relation in snapshot.relations if relation.kind == "f"]
    reason = "it is a foreign table, whose costs only its foreign-data wrapper knows"
    return Flat(
        not_examined=tuple(NotExamined(what=f"foreign table {called(each)}", reason=reason) for each in foreign),
        lost=tuple(lost_relation(each, reason) for each in foreign),
    )


def _stages() -> Iterator[_Stage]:
    yield _schemas_and_extensions
    yield _types_tables_views
    yield _indexes
    yield _extended
    yield _parents
    yield _foreign_keys


def _create_all(sessions: Sessions, objects: tuple[_Object, ...], *, has_bodies: bool) -> _Failed:
    """Create what can be created, again and again, until nothing more succeeds; return the rest and why.

    Functions lose their bodies before anything is created that could run them: to make a partitioned table or a
    generated column folds its expression.
    """
    pending, patience = list(objects), _Patience()
    while pending:
        failed: list[tuple[_Object, psycopg.Error]] = []
        for (privileged, functions), group in itertools.groupby(
            pending, key=lambda item: (item.is_privileged, item.has_body)
        ):
            items, connection = list(group), sessions.superuser if privileged else sessions.captured
            for start in range(0, len(items), _AT_ONCE):
                failed += _create(connection, items[start : start + _AT_ONCE], patience)
            if functions and not has_bodies:
                take_bodies(sessions.superuser)
        if len(failed) == len(pending):
            return tuple(failed)
        pending = [item for item, _ in failed]
    return ()


class _Patience:
    """How many definitions may take as long as one may."""

    def __init__(self) -> None:
        self._left = _MOST_CANCELED

    def use(self, what: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise CapabilityError(
                need="definitions that the twin can create",
                found=f"{_MOST_CANCELED + 1} exceeded the time limit, the last one {what}",
                remedy="capture the database again, or exclude that schema",
            )


def _create(
    connection: Connection, objects: list[_Object], patience: _Patience
) -> Iterator[tuple[_Object, psycopg.Error]]:
    """Create objects at once, or one by one where one of them cannot be; yield those and why."""
    try:
        with connection.pipeline():  # in which a text can only be one statement
            for item in objects:
                connection.execute(item.query)
    except psycopg.Error:
        if connection.closed:
            raise
        for item in objects:
            try:
                execute_one(connection, item.query)
            except psycopg.errors.DiskFull:
                raise
            except psycopg.Error as error:
                if connection.closed:
                    raise
                if isinstance(error, psycopg.errors.QueryCanceled):
                    patience.use(item.what)
                yield item, error


def _reason(error: psycopg.Error) -> str:
    return f"the twin cannot create it: {error.diag.message_primary or str(error).splitlines()[0]}"


def _schemas_and_extensions(snapshot: Snapshot) -> Iterator[_Object]:
    for schema in snapshot.schemas:
        query = render("twin/create_schema", schema=schema, owner=CAPTURED)
        yield _Object(what=f"schema {schema}", query=query, is_privileged=True)
    for extension in snapshot.extensions:
        if extension.name != "plpgsql":
            query = render("twin/create_extension", extension=extension)
            yield _Object(what=f"extension {extension.name}", query=query, is_privileged=True)


def _types_tables_views(snapshot: Snapshot) -> Iterator[_Object]:
    for item in snapshot.types:
        yield _Object(what=f"type {item.schema_name}.{item.name}", query=render("twin/create_type", type=item))
    for function in snapshot.functions:
        query = render("twin/create_function", function=function)
        yield _Object(what=_function(function), query=query, has_body=True)
    for name in sorted({name for relation in snapshot.relations for name in _sequences(relation)}):
        yield _Object(what=f"sequence {name}", query=render("twin/create_sequence", name=name))
    for relation in sorted(snapshot.relations, key=lambda each: each.oid):
        if relation.kind in "vm":
            body = freeze_clock(relation.definition or "")
            query = render("twin/create_view", relation=relation, body=body)
        else:
            query = render("twin/create_table", relation=relation)
        yield _Object(what=called(relation), query=query, source=relation)


def _sequences(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        for match in NEXTVAL.finditer(column.default or ""):
            yield match[1].replace("''", "'")


def _indexes(snapshot: Snapshot) -> Iterator[_Object]:
    """Yield what has an index of its own in the captured order, then the other constraints."""
    behind = {(each.definition.schema, each.constraint): each for each in snapshot.indexes if each.constraint}
    made: list[tuple[int, _Object]] = []
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            if constraint.kind != "f":
                query = render(
                    "twin/add_constraint",
                    relation=relation,
                    constraint=constraint,
                    only=relation.kind == "p" and constraint.kind in "pux",
                )
                what = f"constraint {constraint.name} of {called(relation)}"
                source = behind.get((relation.schema_name, constraint.name)) if constraint.kind != "c" else None
                made.append((source.oid if source else 0, _Object(what=what, query=query, source=source)))
    for index in snapshot.indexes:
        if index.constraint is None and index.valid:
            query = render("twin/create_captured_index", index=index)
            made.append((index.oid, _Object(what=_index(index), query=query, source=index)))
    yield from (item for _, item in sorted(made, key=lambda each: each[0]))


def _foreign_keys(snapshot: Snapshot) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            # A foreign key of a partitioned table goes to its partitions by itself, and would be there twice.
            if constraint.kind == "f" and not constraint.inherited:
                query = render("twin/add_constraint", relation=relation, constraint=constraint, only=False)
                yield _Object(what=f"constraint {constraint.name} of {called(relation)}", query=query)


def _extended(snapshot: Snapshot) -> Iterator[_Object]:
    for statistics in snapshot.extended_statistics:
        yield _Object(what=_statistics(statistics), query=render("twin/create_statistics", statistics=statistics))


def _parents(snapshot: Snapshot) -> Iterator[_Object]:
    for relation in snapshot.relations:
        for parent in relation.parents:
            query = render("twin/attach_table", relation=relation, parent=parent)
            # Without it all above are planned as if these rows were not there.
            above = tuple(_ancestors(relation, snapshot))
            yield _Object(what=f"parent of {called(relation)}", query=query, also=above)
    for index in snapshot.indexes:
        if index.parent is not None and index.valid:
            query = render("twin/attach_index", index=index, parent=index.parent)
            yield _Object(what=f"parent of {_index(index)}", query=query, source=index)


def _ancestors(relation: Relation, snapshot: Snapshot) -> Iterator[Relation]:
    seen, waiting = {relation.oid}, [relation]
    while waiting:
        for name in waiting.pop().parents:
            parent = snapshot.relation(*name)
            if parent is not None and parent.oid not in seen:
                seen.add(parent.oid)
                waiting.append(parent)
                yield parent


def _policies(snapshot: Snapshot, *, roles: Collection[str]) -> Iterator[_Object]:
    for security in snapshot.row_security:
        source = snapshot.relation(security.schema_name, security.table)
        for what, query in policy_statements(security, roles):
            yield _Object(what=what, query=query, source=source)


def _tablespaces(snapshot: Snapshot) -> Iterator[_Object]:
    indexes = {(each.definition.schema, each.definition.name) for each in snapshot.indexes}
    for tablespace in snapshot.tablespaces:
        what = f"tablespace {tablespace.name}"
        options = [option.split("=", 1) for option in tablespace.options if "=" in option]
        names = [tablespace.name, DEFAULT_TABLESPACE] if tablespace.is_default else [tablespace.name]
        queries = [render("twin/set_tablespace_costs", name=name, options=options) for name in names if options]
        if not tablespace.name.startswith("pg_"):
            made = render("twin/create_tablespace", tablespace=tablespace)
            queries = [made, *queries, render("twin/grant_tablespace", name=tablespace.name, role=CAPTURED)]
        for query in queries:
            yield _Object(what=what, query=query, is_privileged=True)
        for relation in tablespace.relations:
            values = {"relation": relation, "is_index": relation in indexes, "tablespace": tablespace.name}
            yield _Object(what=f"{what} of {'.'.join(relation)}", query=render("twin/move_relation", **values))


def _index(index: Index) -> str:
    return f"index {index.definition.schema}.{index.definition.name}"


def _function(function: FunctionDef) -> str:
    return f"function {function.schema_name}.{function.name}({function.arguments})"


def _statistics(statistics: ExtendedStatistics) -> str:
    return f"extended statistics {statistics.schema_name}.{statistics.name}"
