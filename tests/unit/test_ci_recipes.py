"""The recipes of docs/ci: valid, with no right that they do not use, and with commands that exist."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from analyzer.cli import COMMANDS

FOLDER = Path(__file__).parents[2] / "docs" / "ci"
WORKFLOWS = sorted(FOLDER.glob("github-*.yml"))

#: What a job has to do to be given a right to write.
WRITES = {"pull-requests": "gh pr comment", "security-events": "github/codeql-action/upload-sarif"}


def load(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path.read_text())  # pyright: ignore[reportUnknownMemberType]


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    return job["steps"]


WORKFLOW = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


@WORKFLOW
def test_a_job_has_the_rights_it_uses(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        rights = dict(job["permissions"])
        text = str(steps(job))
        assert (rights.pop("contents", None) == "read") == ("actions/checkout" in text)
        assert all(right == "write" and WRITES[name] in text for name, right in rights.items())
        assert job["timeout-minutes"] <= 20


@WORKFLOW
def test_who_may_write_to_a_pull_request_runs_nothing_of_it(path: Path) -> None:
    writers = [job for job in load(path)["jobs"].values() if "pull-requests" in job["permissions"]]
    assert not [job for job in writers if re.search(r"checkout|pip |twindex ", str(steps(job)))]


@WORKFLOW
def test_actions_are_pinned_and_leave_no_token_behind(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    assert not [each for each in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    for job in load(path)["jobs"].values():
        for step in steps(job):
            assert not step.get("uses", "").startswith("actions/checkout") or not step["with"]["persist-credentials"]


@WORKFLOW
def test_text_of_others_is_not_part_of_a_script_and_a_pull_request_sees_no_secret(path: Path) -> None:
    workflow = load(path)
    scripts = [step["run"] for job in workflow["jobs"].values() for step in steps(job) if "run" in step]
    assert not [script for script in scripts if "${{" in script]
    assert not set(workflow["on"]) & {"pull_request_target", "workflow_run"}
    assert "pull_request" not in workflow["on"] or "secrets." not in path.read_text()


def commands(node: Any) -> Iterator[str]:
    """Yield the lines of every script."""
    if isinstance(node, dict):
        for key, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            yield from (str(value).splitlines() if key == "run" else commands(value))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(node, list):
        for each in node:  # pyright: ignore[reportUnknownVariableType]
            yield from ([each] if isinstance(each, str) else commands(each))


@pytest.mark.parametrize("path", [*WORKFLOWS, FOLDER / "gitlab-ci.yml"], ids=lambda path: path.stem)
def test_every_command_is_one_of_ours(path: Path) -> None:
    found = [shlex.split(line) for line in commands(load(path)) if line.startswith("twindex ")]
    assert found
    for _, name, *arguments in found:
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        command.make_context(name, arguments)


def test_the_page_names_every_recipe() -> None:
    page = (FOLDER / "README.md").read_text()
    assert {path.name for path in FOLDER.glob("*.yml")} == set(re.findall(r"\]\(([\w-]+\.yml)\)", page))
