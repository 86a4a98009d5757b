"""Build the flat database: the captured schema with empty storage."""

import contextlib
import itertools
from collections.abc import Iterator
from functools import partial

import psycopg

from analyzer.db import Connection
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError
from analyzer.sql import render
from analyzer.twin.schema.clock import clock_functions
from analyzer.twin.schema.creations import (
    Creation,
    Stage,
    foreign_keys,
    objects,
    parents,
    policies,
    schemas_and_extensions,
    tablespaces,
)
from analyzer.twin.schema.function_bodies import close_ways_out, take_bodies, without_effects
from analyzer.twin.schema.impostors import without_impostors
from analyzer.twin.schema.members import without_members
from analyzer.twin.schema.missing import (
    Failed,
    Flat,
    described,
    extension_tables,
    foreign_tables,
    impostors,
    unsupported,
)
from analyzer.twin.schema.row_security import create_roles
from analyzer.twin.schema.stand_ins import redefine, simplify, stub
from analyzer.twin.schema.trusted_options import give_trusted_options
from analyzer.twin.server.containment import APPLICATION, CAPTURED
from analyzer.twin.server.sessions import Sessions

#: Objects created in one transaction.
_AT_ONCE = 100
#: Definitions of one stage that may end at the statement timeout.
_MOST_CANCELED = 3


def build_flat(sessions: Sessions, snapshot: Snapshot, *, has_bodies: bool, is_open: bool = False) -> Flat:
    """Create everything captured, each object behind what it depends on; return what could not be created.

    Without `has_bodies` functions that could run something are left without a body. Where it `is_open`, extensions
    keep the functions that reach out of the database.
    """
    superuser = sessions.superuser
    _prepare(sessions, snapshot)
    fitted, notes, indexes = without_impostors(snapshot)
    flat = (
        Flat(not_examined=notes) + impostors(indexes, snapshot) + foreign_tables(snapshot) + extension_tables(snapshot)
    )
    failed: list[Failed] = []
    own_policies = partial(policies, roles=create_roles(superuser, fitted))
    own_objects = partial(objects, major=sessions.major)
    for stage in (schemas_and_extensions, own_objects, parents, foreign_keys, own_policies, tablespaces):
        with sessions.building():
            refused, made = _create_stage(
                sessions, stage, fitted, has_bodies=has_bodies, stands_in=stage is own_objects
            )
        if stage is schemas_and_extensions:
            superuser.execute(render("twin/close_extension_tables"))
            fitted = without_members(superuser, fitted)
            if not is_open:
                close_ways_out(superuser)
            if not has_bodies:
                fitted = fitted.model_copy(update={"types": tuple(without_effects(superuser, fitted.types))})
        failed += refused
        flat += made
    flat += unsupported(give_trusted_options(superuser, fitted.functions))
    superuser.execute(render("twin/mark_populated"))
    superuser.execute(render("twin/restore_storage"))
    if fitted.row_security:
        for schema in fitted.schemas:
            # A schema that could not be made, or that an extension's tables are in.
            with contextlib.suppress(psycopg.Error):
                sessions.captured.execute(render("twin/let_write", schema=schema, role=APPLICATION))
    return flat + described(failed, snapshot)


def _create_stage(
    sessions: Sessions, stage: Stage, snapshot: Snapshot, *, has_bodies: bool, stands_in: bool
) -> tuple[tuple[Failed, ...], Flat]:
    """Create the objects of a stage; if it `stands_in`, with stand-ins for what tables lack or can do without."""
    failed = _create_all(sessions, snapshot, tuple(stage(snapshot)), has_bodies=has_bodies)
    made = Flat()
    for fit in (stub, redefine, simplify) if stands_in else ():
        if not failed:
            break
        wanted = {item.what for item, _ in failed}
        snapshot, stood_in = fit(sessions.superuser, snapshot, frozenset(wanted))
        again = tuple(item for item in stage(snapshot) if item.what in wanted)
        failed = _create_all(sessions, snapshot, again, has_bodies=has_bodies)
        made += stood_in.without(item.what for item, _ in failed)
    return failed, made


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


def _create_all(
    sessions: Sessions, snapshot: Snapshot, creations: tuple[Creation, ...], *, has_bodies: bool
) -> tuple[Failed, ...]:
    """Create what can be created, again and again, until nothing more succeeds; return the rest and why.

    Captured text is qualified, the bodies of functions that it calls are not.
    """
    pending, patience = list(creations), _Patience()
    while pending:
        failed = _create_once(sessions, pending, patience, has_bodies=has_bodies)
        if len(failed) == len(pending):
            within = [item for item, error in failed if error.diag.context]
            with sessions.finding_names_of(snapshot):
                refused = _create_once(sessions, within, patience, has_bodies=has_bodies)
            failed = [each for each in failed if not each[1].diag.context] + refused
        if len(failed) == len(pending):
            return tuple(failed)
        pending = [item for item, _ in failed]
    return ()


def _create_once(
    sessions: Sessions, creations: list[Creation], patience: "_Patience", *, has_bodies: bool
) -> list[Failed]:
    """Try to create each of them; return the rest and why.

    Functions lose their bodies before anything is created that could run them: to make a partitioned table or a
    generated column folds its expression.
    """
    failed: list[Failed] = []
    for (privileged, functions, alone), group in itertools.groupby(
        creations, key=lambda item: (item.is_privileged, item.has_body, item.is_alone)
    ):
        items, connection = list(group), sessions.superuser if privileged else sessions.captured
        at_once = 1 if alone else _AT_ONCE
        for start in range(0, len(items), at_once):
            failed += _create(connection, items[start : start + at_once], patience)
        if functions and not has_bodies:
            take_bodies(sessions.superuser)
    return failed


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
    connection: Connection, creations: list[Creation], patience: _Patience
) -> Iterator[tuple[Creation, psycopg.Error]]:
    """Create objects at once, or one by one where one of them cannot be; yield those and why."""
    error = _refusal(connection, creations)
    if error is not None and len(creations) > 1:
        for item in creations:
            yield from _create(connection, [item], patience)
    elif error is not None:
        if isinstance(error, psycopg.errors.QueryCanceled):
            patience.use(creations[0].what)
        yield creations[0], error


def _refusal(connection: Connection, creations: list[Creation]) -> psycopg.Error | None:
    """Create objects in one transaction; return why that is refused."""
    try:
        with connection.pipeline():  # in which a text can only be one statement
            for query in itertools.chain.from_iterable(item.queries for item in creations):
                connection.execute(query)
    except psycopg.Error as error:
        if connection.closed or isinstance(error, psycopg.errors.DiskFull):
            raise
        return error
    return None
