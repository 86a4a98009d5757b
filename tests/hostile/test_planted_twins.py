"""Nothing that is planted in a captured schema does anything on a twin, by any one of three layers alone.

The control builds the same twin without any of them: there everything sings but what says in its file why it cannot.
"""

import contextlib
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from analyzer.documents.snapshot import Snapshot
from analyzer.errors import TwindexError
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.server.containment import Containment, kernel_obstacle
from analyzer.twin.twin import PlannerChoice, Twin, open_twin
from tests.hostile.conftest import Hostile
from tests.hostile.planting import Plant, asked, has_libxml
from tests.server.servers import DEBIAN_15, PACKAGED, need_15

NOTHING = Containment(kernel=False, role=False, stubs=False)
LAYERS = {
    "all": Containment(),
    "kernel": Containment(kernel=True, role=False, stubs=False),
    "role": Containment(kernel=False, role=True, stubs=False),
    "stubs": Containment(kernel=False, role=False, stubs=True),
}


def provoke(twin: Twin, hostile: Hostile, snapshot: Snapshot) -> None:
    """Ask a twin everything that a command would, about everything that is planted."""
    for statement in asked(hostile.plants):
        for generic in (True, False):
            with contextlib.suppress(psycopg.Error, TwindexError):
                twin.plan(statement, generic=generic)
        with contextlib.suppress(psycopg.Error, TwindexError):
            twin.parse_ddl([statement])
    drafts = [
        IndexDef(
            schema=relation.schema_name,
            table=relation.name,
            name=f"draft_{number}_{column.number}",
            keys=(Key(column=column.name),),
        )
        for number, relation in enumerate(snapshot.relations)
        for column in relation.columns[:2]
    ]
    twin.try_add(drafts)


def is_reachable(plant: Plant, *, libxml: bool) -> bool:
    """Say whether something on a twin runs what is planted there, where nothing contains it."""
    return plant.twin_silence is None and plant.refusal is None and (libxml or not plant.needs_libxml)


@pytest.fixture(params=[PACKAGED[0], pytest.param(PACKAGED[1], marks=pytest.mark.slow)])
def wanted(request: pytest.FixtureRequest) -> PlannerChoice:
    """A twin on each available version: 15 restores statistics in a superuser's session, and may have libxml."""
    if request.param == PACKAGED[0]:
        return PlannerChoice(trust_schema=True)
    need_15()
    return PlannerChoice(trust_schema=True, bin_dir=DEBIAN_15)


def test_where_nothing_contains_it_everything_planted_sings_or_says_why_not(
    hostile: Hostile, captured: Snapshot, wanted: PlannerChoice
) -> None:
    hostile.canaries.silence()
    with open_twin(captured, wanted=replace(wanted, containment=NOTHING)) as twin:
        provoke(twin, hostile, captured)
        with twin.built.host.connect() as connection:
            libxml = has_libxml(connection)
    reachable = {plant.name for plant in hostile.plants if is_reachable(plant, libxml=libxml)}
    assert sorted(hostile.canaries.places()) == sorted(reachable)
    assert not hostile.canaries.leaks()


@pytest.mark.parametrize("layer", LAYERS)
def test_no_canary_sings_on_a_twin_that_a_layer_contains(
    layer: str, hostile: Hostile, captured: Snapshot, wanted: PlannerChoice
) -> None:
    containment = LAYERS[layer]
    if containment.kernel and (obstacle := kernel_obstacle()) is not None:
        pytest.skip(obstacle)
    hostile.canaries.silence()
    with open_twin(captured, wanted=replace(wanted, containment=containment)) as twin:
        provoke(twin, hostile, captured)
        log = (Path(twin.built.inflated.superuser.info.host).parent / "log").read_text(errors="replace")
    assert hostile.canaries.songs() == frozenset()
    if layer == "role":
        # Row security applies to nobody on the control's twin.
        assert {"policy", "policy_roles"} <= {line.split()[0] for line in log.split("canary ")[1:]}
