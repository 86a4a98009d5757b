"""The locks of a checkout agree with pyproject.toml, pin everything by hash, and name no place to take it from."""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
REMEDY = "`make lock KEEP=1` brings the lock up to date"

_ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)( ; [^\n\\]+)?(?P<hashes>( \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
    r"(?P<why>(    #[^\n]*\n)+)"
)
#: What uv writes below a pin that pyproject.toml itself asks for.
_ASKED_FOR = re.compile(r"twindex \(pyproject\.toml(:\w+)?\)$", re.MULTILINE)


def requirements(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks for in a lock."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    asked: dict[str, list[list[str]]] = {
        "dev": [project["project"]["dependencies"], *extras.values()],
        "twin": [project["project"]["dependencies"], extras["twin"]],
        "build": [project["dependency-groups"]["build"], project["build-system"]["requires"]],
    }
    return [Requirement(each) for part in asked[lock] for each in part]


def text(lock: str) -> str:
    return (ROOT / "locks" / f"{lock}.txt").read_text()


def pins(lock: str) -> dict[str, set[Version]]:
    """Return the versions of each name; there are several where Python's version decides."""
    found: dict[str, set[Version]] = {}
    for entry in _ENTRY.finditer(text(lock)):
        found.setdefault(entry["name"], set()).add(Version(entry["version"]))
    return found


def disagreements(lock: str, asked: Iterable[Requirement]) -> list[str]:
    """Say where a lock is not what the requirements ask for."""
    pinned = pins(lock)
    wanted = {canonicalize_name(each.name) for each in asked}
    direct = {entry["name"] for entry in _ENTRY.finditer(text(lock)) if _ASKED_FOR.search(entry["why"])}
    told = [f"{each} is not in the lock" for each in asked if canonicalize_name(each.name) not in pinned]
    told += [
        f"{each} is pinned to {version}"
        for each in asked
        for version in sorted(pinned.get(canonicalize_name(each.name), ()))
        if version not in each.specifier
    ]
    return told + [f"nothing asks for {name} any more" for name in sorted(direct - wanted)]


LOCKS = pytest.mark.parametrize("lock", ["dev", "twin", "build"])


@LOCKS
def test_a_lock_agrees_with_pyproject(lock: str) -> None:
    assert disagreements(lock, requirements(lock)) == [], REMEDY


@LOCKS
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock: str) -> None:
    assert _ENTRY.sub("", re.sub(r"\A(#[^\n]*\n)+", "", text(lock))) == ""
    assert "/" not in text(lock).replace("locks/dev.txt", "")


def test_the_locks_pin_the_same_versions() -> None:
    assert not {(name, lock) for lock in ("twin", "build") for name in pins(lock).keys() & pins("dev").keys()
                if pins(lock)[name] != pins("dev")[name]}  # fmt: skip


def test_what_is_installed_asks_for_nothing_that_the_lock_lacks() -> None:
    pinned = pins("dev")
    queue, seen = requirements("dev"), set[str]()
    while queue:
        asked = queue.pop()
        name = canonicalize_name(asked.name)
        if str(asked) in seen or not _applies(asked):
            continue
        seen.add(str(asked))
        assert name in pinned, f"{asked}; {REMEDY}"
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed: this is not the environment that make makes")
        if Version(installed.version) not in pinned[name]:
            pytest.skip(f"{name} {installed.version} is not the lock's: this is not the environment that make makes")
        for line in installed.requires or ():
            further = Requirement(line)
            extras = asked.extras or {""}
            if any(further.marker is None or further.marker.evaluate({"extra": extra}) for extra in extras):
                further.marker = None
                queue.append(further)


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


@pytest.mark.parametrize(
    ("added", "gone", "told"),
    [
        ("left-pad>=1", "", "left-pad>=1 is not in the lock"),
        ("alembic>=99", "", "alembic>=99 is pinned to "),
        ("", "alembic", "nothing asks for alembic any more"),
    ],
    ids=["a new dependency", "a raised bound", "a dependency that is gone"],
)
def test_a_change_of_the_dependencies_is_seen(added: str, gone: str, told: str) -> None:
    asked = [each for each in requirements("twin") if each.name != gone]
    (said,) = disagreements("twin", [*asked, Requirement(added)] if added else asked)
    assert said.startswith(told)
