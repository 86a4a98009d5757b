"""The page on statements says what share can be planned, and names the others."""

from benchmarks.workload import Examined, section


def examined(kind: str, *refused: tuple[str, str]) -> Examined:
    return Examined(name="some", kind=kind, version="18.6", seconds=(0.001, 0.003, 0.002, 0.5), refused=refused)


def test_the_targets_are_of_all_workloads_of_a_kind() -> None:
    refused = ("it is empty", "SELECT  $1")
    targets = section([examined("TPC"), examined("TPC", refused), examined("platform")]).targets
    assert [(each.name, each.measured, each.met) for each in targets] == [
        ("8 statements of TPC on PostgreSQL 18.6", "87.5%", False),
        ("4 statements of platform on PostgreSQL 18.6", "100.0%", True),
    ]


def test_what_cannot_be_planned_is_named_with_its_reason() -> None:
    text = section([examined("corpora", ("it is empty", "SELECT\n " + "x" * 400))]).text
    assert "| some | 18.6 | 4 | 3 | 75.0% | 2.5 | 500 |" in text
    assert "- some on 18.6, it is empty:" in text
    assert f"SELECT {'x' * 293}…" in text
