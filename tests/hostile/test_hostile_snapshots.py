"""A snapshot file may say anything: what it has in place of definitions, names and settings does nothing on a twin."""

import time
from collections.abc import Callable

import psycopg
import pytest
from pydantic import ValidationError

from analyzer.documents.snapshot import Policy, RowSecurity, Snapshot, Tablespace, TypeDef
from analyzer.errors import TwindexError
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.server.containment import Containment, kernel_obstacle
from analyzer.twin.twin import PlannerChoice, open_twin
from tests.hostile.conftest import Hostile

#: Of a schema that does nothing by itself; the edits below are made to it.
TABLE = ("view_body", "t")
LAYERS = {
    "none": Containment(kernel=False, role=False, stubs=False),
    "all": Containment(),
    "kernel": Containment(kernel=True, role=False, stubs=False),
    "role": Containment(kernel=False, role=True, stubs=False),
}
Edit = Callable[[Snapshot, str], Snapshot]


def _definition(text: str) -> Edit:
    """Put a statement in place of every function's definition."""

    def edit(snapshot: Snapshot, canary: str) -> Snapshot:
        said = text.replace("{canary}", canary)
        functions = tuple(each.model_copy(update={"definition": said}) for each in snapshot.functions[:2])
        return snapshot.model_copy(update={"functions": functions})

    return edit


def _relation(**changes: str) -> Edit:
    def edit(snapshot: Snapshot, canary: str) -> Snapshot:
        said = {name: text.replace("{canary}", canary) for name, text in changes.items()}
        relations = tuple(
            each.model_copy(update=said) if each.definition or "partition_key" in changes else each
            for each in snapshot.relations
        )
        return snapshot.model_copy(update={"relations": relations})

    return edit


def _column(**changes: str) -> Edit:
    def edit(snapshot: Snapshot, canary: str) -> Snapshot:
        said = {name: text.replace("{canary}", canary) for name, text in changes.items()}
        relations = tuple(
            each.model_copy(update={"columns": tuple(column.model_copy(update=said) for column in each.columns)})
            for each in snapshot.relations
        )
        return snapshot.model_copy(update={"relations": relations})

    return edit


def _index(snapshot: Snapshot, canary: str) -> Snapshot:
    indexes = tuple(each.model_copy(update={"ddl": f"COPY (SELECT 1) TO '{canary}'"}) for each in snapshot.indexes)
    return snapshot.model_copy(update={"indexes": indexes})


def _constraint(snapshot: Snapshot, canary: str) -> Snapshot:
    text = f"CHECK (true); COPY (SELECT 1) TO '{canary}'"
    relations = tuple(
        each.model_copy(
            update={"constraints": tuple(c.model_copy(update={"definition": text}) for c in each.constraints)}
        )
        for each in snapshot.relations
    )
    return snapshot.model_copy(update={"relations": relations})


def _type(snapshot: Snapshot, canary: str) -> Snapshot:
    base = {"base_type": f"integer; COPY (SELECT 1) TO '{canary}'; --"}
    made = TypeDef(schema_name=TABLE[0], name="made", kind="d").model_copy(update=base)
    ranged = TypeDef(schema_name=TABLE[0], name="ranged", kind="r").model_copy(
        update=base | {"options": (("subtype_opclass", base["base_type"]),)}
    )
    return snapshot.model_copy(update={"types": (made, ranged)})


def _tablespace(snapshot: Snapshot, canary: str) -> Snapshot:
    hostile = f"random_page_cost=1); COPY (SELECT 1) TO '{canary}'; --"
    name = f"x\"; COPY (SELECT 1) TO '{canary}'; --"
    options = (hostile, "seq_page_cost = 1'); COPY (SELECT 1) TO PROGRAM 'x'; --=1")
    made = Tablespace(name=name[:60], options=options, is_default=True, relations=(TABLE,))
    plain = Tablespace(name="plain", options=options, is_default=False)
    return snapshot.model_copy(update={"tablespaces": (made, plain)})


def _settings(snapshot: Snapshot, canary: str) -> Snapshot:
    hostile = {
        "statement_timeout": "0",
        "role": "postgres",
        "session_authorization": "postgres",
        "session_preload_libraries": canary,
        "local_preload_libraries": canary,
        "log_directory": canary,
        "search_path": "view_body, pg_catalog",
        "twindex.building": "on",
        f"x'; COPY (SELECT 1) TO '{canary}'; --": "1",
        "dynamic_library_path": canary,
        "default_transaction_read_only": "on",
        "archive_command": f"touch {canary}",
        "random_page_cost": f"1; COPY (SELECT 1) TO '{canary}'",
        "standard_conforming_strings": "off",
        "client_encoding": "SQL_ASCII",
        "row_security": "off",
    }
    return snapshot.model_copy(update={"settings": snapshot.settings | hostile})


def _policy(snapshot: Snapshot, canary: str) -> Snapshot:
    roles = ("postgres", "pg_execute_server_program", "pg_write_server_files", "twindex_captured", "public", 'x"; --')
    policy = Policy(
        name="p", command="*", permissive=True, roles=roles, using=f"true); COPY (SELECT 1) TO '{canary}'; --"
    )
    again = Policy(name="q", command="*", permissive=True, roles=roles, using="true")
    security = RowSecurity(schema_name=TABLE[0], table=TABLE[1], forced=True, policies=(policy, again))
    return snapshot.model_copy(update={"row_security": (security,)})


def _statistics(snapshot: Snapshot, canary: str) -> Snapshot:
    text = f"COPY (SELECT 1) TO '{canary}'"
    extended = tuple(each.model_copy(update={"definition": text}) for each in snapshot.extended_statistics)
    rows = tuple(
        each.model_copy(update={"most_common_values": f"{{'); COPY (SELECT 1) TO '{canary}'; --}}"})
        for each in snapshot.statistics
    )
    return snapshot.model_copy(update={"extended_statistics": extended, "statistics": rows})


def _names(snapshot: Snapshot, canary: str) -> Snapshot:
    hostile = f"x\"; COPY (SELECT 1) TO '{canary}'; --"[:63]
    relations = tuple(
        each.model_copy(update={"name": hostile, "schema_name": hostile}) for each in snapshot.relations[:3]
    )
    return snapshot.model_copy(update={"schemas": (*snapshot.schemas, hostile), "relations": relations})


COPY = "COPY (SELECT 1) TO '{canary}'"
EDITS: dict[str, Edit] = {
    "a function's definition": _definition(COPY),
    "a function's definition that sleeps": _definition("SELECT pg_catalog.pg_sleep(100000)"),
    "a function's definition that does": _definition(f"DO $d$ BEGIN EXECUTE $c${COPY}$c$; END $d$"),
    "a function's definition that goes on": _definition(
        f"CREATE OR REPLACE FUNCTION view_body.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; {COPY}"
    ),
    "a function's definition that hides": _definition(f"/* */ {COPY}"),
    "a view's definition": _relation(definition=f"SELECT 1; {COPY}"),
    "a partition key": _relation(partition_key=f"RANGE (id); {COPY}; --"),
    "a partition's bound": _relation(partition_bound=f"FOR VALUES FROM (pg_read_file('x')) TO (1); {COPY}"),
    "a column's type": _column(type=f"integer); {COPY}; --"),
    "a column's default": _column(default=f"1); {COPY}; --"),
    "a column's collation": _column(collation=f'"C"); {COPY}; --'),
    "an index": _index,
    "a constraint": _constraint,
    "a type": _type,
    "a tablespace": _tablespace,
    "settings": _settings,
    "policies": _policy,
    "statistics": _statistics,
    "names": _names,
}
#: Those that no file gets past its reader; the others, and these where the reader is left out, meet the containment.
REFUSED = ("a column's type", "a column's collation", "a type")
#: They do not disturb each other.
TOGETHER = (
    "a function's definition",
    "an index",
    "a tablespace",
    "settings",
    "policies",
    "statistics",
    "a constraint",
)
#: One that sleeps has a time limit, whoever sends it.
PATIENCE_SECONDS = 45


@pytest.fixture(scope="module")
def plain(captured: Snapshot) -> Snapshot:
    """The part of the snapshot that the edits are made to."""
    kept = {"view_body", "statistics_object", "partition_key"}
    return captured.model_copy(
        update={
            "schemas": tuple(each for each in captured.schemas if each in kept | {"canary"}),
            "functions": tuple(each for each in captured.functions if each.schema_name == "canary"),
            "types": (),
            "relations": tuple(each for each in captured.relations if each.schema_name in kept),
            "indexes": tuple(each for each in captured.indexes if each.definition.schema in kept),
            "statistics": tuple(each for each in captured.statistics if each.schema_name in kept),
            "extended_statistics": tuple(each for each in captured.extended_statistics if each.schema_name in kept),
            "extremes": tuple(each for each in captured.extremes if each.schema_name in kept),
            "row_security": (),
        }
    )


@pytest.fixture(params=["all", "kernel", "role"])
def containment(request: pytest.FixtureRequest) -> Containment:
    """The layers that are on."""
    found = LAYERS[request.param]
    if found.kernel and (obstacle := kernel_obstacle()) is not None:
        pytest.skip(obstacle)
    return found


def _bound(snapshot: Snapshot, canary: str) -> Snapshot:
    """Let a partition's bound be what attaching it computes."""
    bound = f"FOR VALUES FROM (canary.quiet('snapshot') + length(pg_read_file('{canary}'))) TO (1000000)"
    relations = tuple(
        each.model_copy(update={"partition_bound": bound}) if each.name == "u" and each.partition_bound else each
        for each in snapshot.relations
    )
    return snapshot.model_copy(update={"relations": relations})


def _provoke(snapshot: Snapshot, containment: Containment) -> None:
    try:
        with open_twin(snapshot, wanted=PlannerChoice(containment=containment, trust_schema=True)) as twin:
            twin.plan("SELECT * FROM statistics_object.t WHERE a = 5")
    except (psycopg.Error, TwindexError):
        pass


def test_where_nothing_contains_it_a_bound_of_a_snapshot_file_is_computed(hostile: Hostile, plain: Snapshot) -> None:
    hostile.canaries.silence()
    _provoke(_bound(plain, str(hostile.canaries.directory / "view_body.bait")), LAYERS["none"])
    assert {"snapshot", "view_body"} <= hostile.canaries.places()


def test_what_a_snapshot_file_says_does_nothing(containment: Containment, hostile: Hostile, plain: Snapshot) -> None:
    hostile.canaries.silence()
    edited = _bound(plain, str(hostile.canaries.directory / "view_body.bait"))
    for number, name in enumerate(TOGETHER):
        edited = EDITS[name](edited, str(hostile.canaries.directory / f"snapshot_{number}.file"))
    _provoke(edited, containment)
    assert hostile.canaries.songs() == frozenset()


def test_settings_that_are_not_the_planners_neither_end_nor_change_a_twin(plain: Snapshot) -> None:
    ask = "SELECT * FROM view_body.t WHERE a = 5"
    index = IndexDef(schema="view_body", table="t", name="draft", keys=(Key(column="a"),))
    hostile = {
        "transaction_timeout": "1",
        "idle_session_timeout": "1",
        "default_transaction_read_only": "on",
        "twindex.building": "on",
        "TWINDEX.building": "on",
        "statement_timeout": "1",
        "Statement_Timeout": "1",
        "client_encoding": "SQL_ASCII",
        "session_replication_role": "replica",
    }
    costs: list[float] = []
    for settings in ({}, hostile):
        edited = plain.model_copy(update={"settings": plain.settings | settings})
        with open_twin(edited, wanted=PlannerChoice(trust_schema=True)) as twin:
            time.sleep(0.05)
            costs.append(twin.plan(ask).cost)
            twin.show(twin.add([index]))
            costs.append(twin.plan(ask).cost)
            with pytest.raises(psycopg.Error, match="whose body the twin omits"):
                twin.plan("SELECT canary.quiet('settings')")
    assert costs[:2] == costs[2:]
    assert costs[1] < costs[0]


@pytest.mark.parametrize("name", REFUSED)
def test_a_snapshot_file_holds_names_where_names_belong(name: str, plain: Snapshot) -> None:
    edited = EDITS[name](plain, "snapshot.file")
    with pytest.raises(ValidationError, match="must be the name of"):
        Snapshot.model_validate(edited.model_dump())


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_a_single_edit_of_a_snapshot_file_does_nothing(
    name: str, containment: Containment, hostile: Hostile, plain: Snapshot
) -> None:
    hostile.canaries.silence()
    begun = time.monotonic()
    _provoke(EDITS[name](plain, str(hostile.canaries.directory / "snapshot.file")), containment)
    assert time.monotonic() - begun < PATIENCE_SECONDS
    assert hostile.canaries.songs() == frozenset()
