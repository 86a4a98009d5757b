"""A live server to plan on, and what it means that a twin plans the same."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from analyzer.db import connect
from analyzer.sql import render
from analyzer.twin.hypothetical.explain import Asked, PlanTree, explain
from analyzer.twin.twin import Plan
from tests.server.capture_zoo import as_role, new_database, new_role, run

#: Costs are printed with two decimals.
EXACT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A database with rows, and a role that may read them."""

    url: str
    role: str
    #: Settings of the session that plans.
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def plan(self, statement: str, *, as_owner: bool = False, dropped: str | None = None) -> PlanTree:
        """Plan a statement there, as the role that captured unless `as_owner`; perhaps without an index."""
        with connect(self.url if as_owner else as_role(self.url, self.role)) as connection:
            if dropped is not None:
                run(connection, f"DROP INDEX {dropped}")
            for name, value in ({"plan_cache_mode": "force_generic_plan"} | dict(self.settings)).items():
                connection.execute(render("twin/set_setting"), {"name": name, "value": value})
            tree = explain(connection, Asked(text=statement), major=self.major(connection.info.server_version))
            connection.rollback()
        return tree

    @staticmethod
    def major(version_number: int) -> int:
        """Return the major version of a server."""
        return version_number // 10_000


@contextlib.contextmanager
def live_database(server: str, statements: Sequence[str]) -> Generator[Live]:
    """Make a database of some statements, and a role that may read its statistics and rows."""
    with new_database(server) as url, new_role(url, "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            for statement in statements:
                run(connection, statement)
        yield Live(url=url, role=role)


def outline(tree: PlanTree) -> tuple[Any, ...]:
    """Reduce a plan to its nodes, their indexes and their order."""
    return (tree["Node Type"], tree.get("Index Name"), tree.get("Relation Name"), *map(outline, tree.get("Plans", ())))


def assert_same(found: Plan, expected: PlanTree) -> None:
    """Make sure that a twin's plan is the live one: the same nodes, the same indexes, the same cost and rows."""
    assert outline(found.tree) == outline(expected)
    assert found.cost == pytest.approx(expected["Total Cost"], rel=EXACT)
    assert found.rows == expected["Plan Rows"]
