"""Read the Alembic project that a command runs in: its configuration, and the rules of its env.py."""

from collections.abc import Sequence
from pathlib import Path

from alembic.config import Config

from analyzer.migrate.plan.environment import Environment
from analyzer.migrate.plan.read_environment import alembic_config, read_environment
from analyzer.paths import is_file


def project_config(file: Path, section: str | None, x: Sequence[str]) -> Config:
    """Return the configuration of the project, by a section of its file; raises InputError."""
    return alembic_config(file, section, x)


def project_environment(file: Path, section: str | None, x: Sequence[str], specs: Path, *, run: bool) -> Environment:
    """Return the rules of the project's env.py, where the specs are in the directory of a project.

    Without `run`, and where env.py cannot be run, they are unknown.
    """
    if not is_file(file) or not specs.resolve().is_relative_to(file.parent.resolve()):
        return Environment()
    if not run:
        return Environment(unknown="env.py is not run (--no-env)")
    return read_environment(alembic_config(file, section, x), specs)
