"""The benchmark of the twin, at a scale that takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb_extension_tpch", reason="pip install 'twindex[bench]'")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_plans_and_costs_of_both_suites_are_the_live_ones(tmp_path: Path) -> None:
    page = tmp_path / "twin.md"
    command = (
        sys.executable, "-m", "benchmarks.twin", "--scale", "0.01", "--section", "plans",
        "--directory", str(tmp_path / "bench"), "-o", str(page),
    )  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT, timeout=600)
    text = page.read_text(encoding="utf-8")
    assert "| tpch | 22 | 22 | 22 |" in text
    assert "| tpcds | 99 | 99 | 99 |" in text
