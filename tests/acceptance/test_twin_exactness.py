"""The benchmark of the twin, at a scale that takes seconds: every version at hand, as the least-privilege role."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.twin_live import DEBIAN_15

for module in ("duckdb_extension_tpch", "duckdb_extension_tpcds"):
    pytest.importorskip(module, reason="pip install 'twindex[bench]' to run this")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCALE = "0.01"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("bench")
    command = (
        sys.executable, "-m", "benchmarks.twin", "--scale", SCALE, "--section", "plans",
        "--directory", str(directory), "-o", str(directory / "page" / "twin.md"),
    )  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT, timeout=600)
    return (directory / "page" / "twin.md").read_text(encoding="utf-8")


def row(page: str, suite: str, live: int, twin: int) -> list[str]:
    (found,) = [line for line in page.splitlines() if line.startswith(f"| {suite} | {live} | {twin} |")]
    return found.split(" | ")[3:]


@pytest.fixture
def needs_15() -> None:
    if not DEBIAN_15.is_dir():
        pytest.skip("apt-get install postgresql-15 postgresql-contrib to run this on PostgreSQL 15")


@pytest.mark.parametrize(("suite", "queries"), [("tpch", "22"), ("tpcds", "99")])
def test_plans_and_costs_are_the_live_ones(page: str, suite: str, queries: str) -> None:
    assert row(page, suite, 18, 18)[:3] == [queries] * 3
    assert f"| {suite} on 18: same plan, cost within 0.01 % | {queries} and {queries} |" in page


@pytest.mark.usefixtures("needs_15")
@pytest.mark.parametrize(("suite", "queries"), [("tpch", "22"), ("tpcds", "99")])
def test_plans_and_costs_are_those_of_15_too(page: str, suite: str, queries: str) -> None:
    assert row(page, suite, 15, 15)[:3] == [queries] * 3


@pytest.mark.usefixtures("needs_15")
@pytest.mark.parametrize(("suite", "queries", "near"), [("tpch", 22, 20), ("tpcds", 99, 90)])
def test_most_costs_of_another_version_are_near(page: str, suite: str, queries: int, near: int) -> None:
    number, same, *_, within, _, _ = row(page, suite, 15, 18)
    assert int(number) == queries
    assert int(same) > queries / 3
    assert int(within) >= near


def test_a_server_that_is_not_installed_is_said(page: str) -> None:
    missing = "PostgreSQL 15: not measured (a PostgreSQL server to run twins on is required, but"
    assert (missing in page) != DEBIAN_15.is_dir()
