"""Ask the planner of a twin, at the moment of the capture, and with patience."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from analyzer.db import Connection
from analyzer.sql import render
from analyzer.twin.build import Built
from analyzer.twin.exposure import Exposure
from analyzer.twin.hypothetical.explain import Asked, PlanTree, explain, explain_together, sent_before, walk
from analyzer.twin.schema.clock import added_before, asks_clock, freeze_clock, thaw_clock
from analyzer.twin.server.roles import LIMITS, limit
from analyzer.twin.server.sessions import finding_names_in
from analyzer.twin.survivor import Survivor

#: Statements that may take all the time there is; others have the short one from then on.
_MOST_CANCELED, _SHORT_TIMEOUT = 2, "3s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the planner answers to one statement."""

    cost: float
    rows: float
    tree: PlanTree

    @property
    def indexes(self) -> frozenset[str]:
        """Return the names of the indexes the plan uses."""
        return frozenset(str(node["Index Name"]) for node in walk(self.tree) if "Index Name" in node)

    @property
    def relations(self) -> frozenset[str]:
        """Return the names of the tables the plan reads or changes."""
        return frozenset(str(node["Relation Name"]) for node in walk(self.tree) if "Relation Name" in node)


class Planner:
    """The planner of a twin under one configuration of indexes after the other."""

    def __init__(self, server: Survivor[Built], exposure: Exposure) -> None:
        self._server = server
        self._exposure = exposure
        #: Views or policies ask the clock: their plans name the functions that stand for it.
        self._asks_clock = asks_clock(server.snapshot)
        #: Statements that ended at the statement timeout.
        self._canceled = 0

    @property
    def _connection(self) -> Connection:
        return self._server.built.inflated.captured

    def plan_all(self, asked: Sequence[Asked], search_path: tuple[str, ...] | None) -> tuple[Plan, ...]:
        """Plan statements under one configuration and search path, in one round trip where that can be.

        Raises psycopg.Error when the server cannot plan one of them.
        """
        self._server.hold(*(each.text for each in asked))
        try:
            return self._server.surviving(lambda: self._plan_all(asked, search_path))
        except psycopg.errors.QueryCanceled:
            self._lose_patience()
            raise

    def plan_under(self, settings: Mapping[str, str], asked: Asked, search_path: tuple[str, ...] | None) -> Plan:
        """Plan a statement as a session with these settings would, as far as the planner reads them.

        The search path stays. Raises psycopg.Error when the server cannot plan it.
        """
        changed = {name: value for name, value in settings.items() if name != "search_path"}
        self._server.hold(asked.text)
        inflated, snapshot = self._server.built.inflated, self._server.snapshot
        with contextlib.ExitStack() as stack:
            for connection in self._planning:
                stack.enter_context(inflated.changed_settings(changed, snapshot, to=connection))
            return self.plan_all((asked,), search_path)[0]

    def offset(self, asked: Asked, error: psycopg.Error) -> int:
        """Count the characters before the place of an error that were sent and are not of the statement."""
        before = sent_before(replace(asked, text=freeze_clock(asked.text)), major=self._server.built.major)
        return before + added_before(asked.text, int(error.diag.statement_position or 0) - 1 - before)

    def _plan_all(self, asked: Sequence[Asked], search_path: tuple[str, ...] | None) -> tuple[Plan, ...]:
        self._settle()
        standing = [replace(each, text=freeze_clock(each.text)) for each in asked]
        trees = self._planned_together(standing, search_path) or self._planned_alone(standing, search_path)
        plans: list[Plan] = []
        for each, still, tree in zip(asked, standing, trees, strict=True):
            seen = thaw_clock(tree) if still.text != each.text or self._asks_clock else tree
            plans.append(Plan(cost=float(tree["Total Cost"]), rows=float(tree["Plan Rows"]), tree=seen))
        return tuple(plans)

    def _lose_patience(self) -> None:
        """Give statements less time when several took all of it: there may be thousands of that kind."""
        self._canceled += 1
        if not self._server.built.is_broken:
            for connection in self._planning:
                limit(connection, statement_timeout=self._timeout)

    @property
    def _timeout(self) -> str:
        return _SHORT_TIMEOUT if self._canceled >= _MOST_CANCELED else LIMITS["statement_timeout"]

    @property
    def _planning(self) -> tuple[Connection, ...]:
        """Return the sessions that statements are planned in."""
        apart = self._server.built.restricted.connection
        return (self._connection,) if apart is None else (self._connection, apart)

    def _settle(self) -> None:
        """Put back what a function could have set: then a text that was read as one statement is one, and ends."""
        for connection in self._planning:
            if (
                self._server.choice.has_bodies
                or connection.info.parameter_status("standard_conforming_strings") != "on"
            ):
                limit(connection, statement_timeout=self._timeout)

    def _planned_together(self, asked: Sequence[Asked], search_path: tuple[str, ...] | None) -> list[PlanTree] | None:
        """Plan in one round trip; None where that cannot be, or an error is to be told apart from the others."""
        if any(self._server.built.restricted.applies(each.text) for each in asked):
            return None
        before = [] if search_path is None else [render("twin/set_search_path", schemas=search_path)]
        if (change := self._exposure.pending()) is not None:
            before.append(change)
        try:
            trees = explain_together(self._connection, asked, before=before, major=self._server.built.major)
        except psycopg.Error as error:
            if self._connection.closed or (len(asked) == 1 and isinstance(error, psycopg.errors.QueryCanceled)):
                raise
            return None
        if trees is not None:
            self._exposure.settled()
        return trees

    def _planned_alone(self, asked: Sequence[Asked], search_path: tuple[str, ...] | None) -> list[PlanTree]:
        if (change := self._exposure.pending()) is not None:
            self._connection.execute(change, prepare=False)
            self._exposure.settled()
        trees: list[PlanTree] = []
        for each in asked:
            connection = self._connection
            if self._server.built.restricted.applies(each.text):
                connection = self._server.built.restricted.connection or connection
            with finding_names_in(connection, search_path, self._server.snapshot):
                trees.append(explain(connection, each, major=self._server.built.major))
        return trees
