"""The text of spec files: read within bounds, and replaced all or none."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from analyzer.atomic_file import stage_file
from analyzer.errors import InputError
from analyzer.specs.yaml_tree import MOST_CHARACTERS

_MOST_BYTES = 4 * MOST_CHARACTERS


def spec_text(path: Path, *, place: str = "") -> str:
    """Read a spec file, a regular one of a bounded size; raises InputError that names it, and the place in it."""
    reason = "it is not UTF-8"
    target = _within(path, place)
    try:
        # Opening a pipe would wait for a writer.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            content = file.read(_MOST_BYTES + 1) if regular else b""
        if regular and len(content) <= _MOST_BYTES:
            return content.decode("utf-8")
        reason = f"it is larger than {_MOST_BYTES:,} bytes" if regular else "not a regular file"
    except OSError as error:
        reason = str(error.strerror)
    except UnicodeDecodeError:
        pass
    raise InputError(f"{path}{place} cannot be read ({reason}); fix the file")


def _within(path: Path, place: str = "") -> Path:
    """Follow links, which in a repository may lead anywhere; raises InputError for one out of its directory."""
    try:
        target = path.resolve()
        inside = target.is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError):  # a link to itself
        target, inside = path, False
    if not inside:
        raise InputError(f"{path}{place} is a link to a file outside its directory; place the file itself there")
    return target


def replace_all(edits: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write several files, all of them or none; each is complete beside its target before any is replaced."""
    staged: dict[Path, Path] = {}
    undo: list[Callable[[], object]] = []
    writing = Path()
    try:
        for writing, text in edits.items():
            target = _within(writing)
            staged[target] = _stage(target, text)
        for writing, temporary in staged.items():
            before = writing.read_bytes() if writing.exists() else None
            temporary.replace(writing)
            undo.append(writing.unlink if before is None else lambda t=writing, b=before: t.write_bytes(b))
    except OSError as error:
        for step in undo:
            step()
        raise InputError(f"{writing} cannot be written ({error.strerror}); nothing was changed") from None
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
    return tuple(edits)


def _stage(target: Path, text: str) -> Path:
    """Write what is to replace a file, with the mode that it has."""
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mode = None
    return stage_file(target, text.encode(), mode=mode)
