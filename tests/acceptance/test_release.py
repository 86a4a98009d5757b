"""The same commit makes the same release, byte for byte, whoever builds it and wherever."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".twindex", "dist", "build", "__pycache__", ".*_cache", ".hypothesis"
)


def made(target: str, directory: Path, *, umask: int, mtime: int, **environment: str) -> dict[str, str]:
    """Run a target of the Makefile on a copy of the checkout; return the digests of what it leaves in dist/."""
    shutil.copytree(ROOT, directory, ignore=NOT_COPIED)
    for path in directory.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (mtime, mtime))
    unset = ("MAKE", "NEWEST", "PYTHON")
    stamp = f"{sys.prefix}/.made-dev"  # what is installed serves the copy, too
    done = subprocess.run(
        ["make", "-C", directory, f"--assume-old={stamp}", f"VENV={sys.prefix}", target],
        env={name: text for name, text in os.environ.items() if not name.startswith(unset)} | environment,
        umask=umask, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted((directory / "dist").iterdir())}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["dist", "sbom"])
def test_a_release_is_reproducible(target: str, tmp_path: Path) -> None:
    epoch = "1790000000"
    first = made(target, tmp_path / "a", umask=0o022, mtime=1_500_000_000, SOURCE_DATE_EPOCH=epoch, TZ="UTC")
    other = {"SOURCE_DATE_EPOCH": epoch, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    assert first == made(target, tmp_path / "elsewhere" / "b", umask=0o077, mtime=1_700_000_000, **other)
    assert len(first) == (2 if target == "dist" else 1)


@pytest.mark.slow
def test_the_bill_of_materials_names_the_release_and_every_pin(tmp_path: Path) -> None:
    made("sbom", tmp_path / "a", umask=0o022, mtime=1_500_000_000)
    text = (tmp_path / "a" / "dist" / "twindex.cdx.json").read_text()
    document = json.loads(text)
    component = document["metadata"]["component"]
    assert (document["bomFormat"], component["name"], component["version"].count(".")) == ("CycloneDX", "twindex", 2)
    pinned = {line.split()[0] for line in (ROOT / "locks" / "twin.txt").read_text().splitlines() if "==" in line}
    assert {f"{each['name']}=={each['version']}" for each in document["components"]} == pinned
    assert str(tmp_path) not in text
