"""Hazards: a closed set of codes, its page, and what refusing one by name does."""

from pathlib import Path

import pytest

from analyzer.documents.snapshot import Index
from analyzer.errors import InputError
from analyzer.migrate.hazards import ALL, Hazard, HazardCode, HazardError, refuse_hazards, refused_codes
from analyzer.migrate.plan.statistics_steps import plan_statistics
from analyzer.migrate.plan.steps import Step, plan_analyze, plan_index
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.statistics import StatisticsDef
from analyzer.specs.diff import Change, Kind
from analyzer.specs.existing import ExistingStatistics

PAGE = Path(__file__).parents[2] / "docs" / "commands" / "revise.md"
INDEX = IndexDef(schema="s", table="t", name="ix", keys=(Key(column="a"),), unique=True)
NO_CODES = frozenset[HazardCode]()


def _step(kind: Kind, *, partitioned: bool = False) -> Step:
    current = None if kind == "create" else Index(definition=INDEX.renamed("ix_before"), ddl="CREATE …")
    change = Change(kind=kind, spec=None, definition=INDEX, current=current)
    return plan_index(change, INDEX, partitioned=partitioned)


def _of_statistics(kind: Kind) -> frozenset[Hazard]:
    wanted = StatisticsDef(schema="s", table="t", name="st", columns=("a", "b"))
    current = None if kind == "create" else ExistingStatistics(definition=wanted, ddl="CREATE …", table_schema="s")
    step = plan_statistics(Change(kind=kind, spec=None, definition=wanted, current=current), wanted)
    return frozenset((*step.forward.hazards, *plan_analyze("s", "t").hazards))


def test_the_page_lists_the_codes_with_their_summaries_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## Hazards\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{code}` | {code.summary} |" for code in HazardCode]


def test_steps_use_every_code_and_write_it_before_its_sentence() -> None:
    kinds: tuple[Kind, ...] = ("create", "replace", "drop", "rename", "alter")
    found = {
        hazard
        for kind in kinds
        for partitioned in (False, True)
        for hazard in _step(kind, partitioned=partitioned).forward.hazards
    }
    found |= {hazard for kind in ("create", "drop") for hazard in _of_statistics(kind)}
    assert {hazard.code for hazard in found} == set(HazardCode)
    assert all(str(hazard) == f"{hazard.code.value}: {hazard.sentence}" for hazard in found)


@pytest.mark.parametrize(
    ("project", "refuse", "allow", "refused"),
    [
        ((), (), (), set[HazardCode]()),
        ((), ("index_dropped",), (), {HazardCode.INDEX_DROPPED}),
        (("INDEX_DROPPED",), (), (), {HazardCode.INDEX_DROPPED}),
        (("INDEX_DROPPED", "UNIQUE"), (), ("INDEX_DROPPED",), {HazardCode.UNIQUE}),
        ((), (ALL,), ("LOCK", "INDEX_BUILD"), set(HazardCode) - {HazardCode.LOCK, HazardCode.INDEX_BUILD}),
        ((ALL,), (), (ALL,), set[HazardCode]()),
    ],
)
def test_what_is_allowed_is_taken_off_what_is_refused(
    project: tuple[str, ...], refuse: tuple[str, ...], allow: tuple[str, ...], refused: set[HazardCode]
) -> None:
    assert refused_codes(project=project, refuse=refuse, allow=allow) == refused


def test_a_code_that_does_not_exist_or_is_both_refused_and_allowed_is_a_mistake() -> None:
    with pytest.raises(InputError, match=r"refuse_hazards: hazard 'DROP' does not exist; the hazards are LOCK, INDEX_"):
        refused_codes(project=("DROP",))
    with pytest.raises(InputError, match="hazard UNIQUE is both refused and allowed; give one of the two"):
        refused_codes(refuse=("unique",), allow=("UNIQUE",))


def test_every_refused_hazard_is_a_line_with_its_step_and_the_others_pass() -> None:
    steps = [
        ("build s.a", (Hazard(HazardCode.LOCK, "waits"), Hazard(HazardCode.UNIQUE, "fails on duplicates"))),
        ("drop s.b", (Hazard(HazardCode.INDEX_DROPPED, "other plans"),)),
    ]
    refuse_hazards(steps, NO_CODES)
    with pytest.raises(HazardError) as raised:
        refuse_hazards(steps, {HazardCode.UNIQUE, HazardCode.INDEX_DROPPED})
    assert raised.value.exit_status == 1
    assert raised.value.lines == (
        "UNIQUE is refused: build s.a: fails on duplicates",
        "INDEX_DROPPED is refused: drop s.b: other plans",
    )
