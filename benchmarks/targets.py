"""What a benchmark must reach, whether it does, and the table that says so."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.setting import Setting, render_setting, render_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that must be reached."""

    name: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page, with the targets it measured."""

    text: str
    targets: tuple[Target, ...]


def render_targets(targets: Sequence[Target]) -> str:
    """Write the part of a page that says what was wanted and what was measured."""
    table = render_table(
        ("target", "wanted", "measured", "met"),
        ((target.name, target.wanted, target.measured, "yes" if target.met else "**no**") for target in targets),
    )
    return f"## Targets\n\n{sum(target.met for target in targets)} of {len(targets)} are met.\n\n{table}"


def page_of(head: str, setting: Setting, sections: Sequence[Section]) -> str:
    """Write a page as Markdown: on what it was measured, the targets of all sections, and these."""
    targets = [target for section in sections for target in section.targets]
    parts = (head, render_setting(setting), render_targets(targets), *(section.text for section in sections))
    return "\n\n".join(parts) + "\n"


def put_page(page: str, file: Path | None) -> None:
    """Write a page to a file, whose directory is made; without one, print it."""
    if file is None:
        sys.stdout.write(page)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
