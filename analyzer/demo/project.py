"""The reference project as files: migrations, specs and alembic.ini, copied for the demo."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from analyzer import demo
from analyzer.errors import ConflictError
from analyzer.paths import is_file, is_there
from analyzer.specs.file import DeclaredSpec, load_specs
from analyzer.specs.index import IndexSpec

#: Marks a directory as the demo's own, so that running it again may replace it.
MARKER = ".twindex-demo"
_PARTS = ("migrations", "index_specs", "alembic.ini")


def project_files() -> Path:
    """Find the reference project: the checkout's own, else the copy in the installed package."""
    checkout = Path(demo.__file__).parents[2]
    if all((checkout / part).exists() for part in (*_PARTS, "pyproject.toml")):
        return checkout
    return Path(demo.__file__).parent / "project"


def copy_project(directory: Path, *, leave_out: Sequence[str]) -> None:
    """Copy the project without the named specs and the revisions that build them.

    A directory that an earlier demo made is replaced; raises ConflictError for any other that is not empty.
    """
    if is_there(directory) and any(directory.iterdir()) and not is_file(directory / MARKER):
        raise ConflictError(
            f"{directory} is not empty and was not created by the demo; specify another directory with --dir"
        )
    source = project_files()
    for part in _PARTS:
        target = directory / part
        if target.is_dir():
            shutil.rmtree(target)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARKER).write_text("twindex demo may replace this directory\n", encoding="utf-8")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "migrations", directory / "migrations", ignore=ignore)
    shutil.copytree(source / "index_specs", directory / "index_specs")
    shutil.copy2(source / "alembic.ini", directory / "alembic.ini")
    for revision in (directory / "migrations" / "versions").glob("*.py"):
        text = revision.read_text(encoding="utf-8")
        if any(f'"{name}"' in text for name in leave_out):
            revision.unlink()
    _remove_specs(directory / "index_specs", frozenset(leave_out))


def _remove_specs(directory: Path, names: frozenset[str]) -> None:
    """Cut the entries out of their files, from the line they start in to the next entry's."""
    by_file: dict[Path, list[DeclaredSpec[IndexSpec]]] = {}
    for spec in load_specs(directory).indexes:
        by_file.setdefault(spec.file, []).append(spec)
    for path, specs in by_file.items():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = [spec.line - 1 for spec in specs] + [len(lines)]
        for spec, start, end in reversed(list(zip(specs, starts, starts[1:], strict=False))):
            if spec.spec.name in names:
                del lines[start:end]
        path.write_text("".join(lines), encoding="utf-8")
    load_specs(directory)
