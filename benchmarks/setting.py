"""On what a benchmark ran, the head of its page, and Markdown's tables."""

import os
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from analyzer import __version__
from analyzer.db import Connection
from analyzer.render import units
from analyzer.sql import render

_PROCESSORS, _MOUNTS = Path("/proc/cpuinfo"), Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Machine, versions and day of a run."""

    day: date
    processor: str
    cores: int
    memory_bytes: int
    #: Other work on the machine as the run began: the load average of five minutes.
    load: float
    #: Kind of operating system and of processor.
    system: str
    python: str
    server: str
    #: Name and version.
    extensions: tuple[tuple[str, str], ...]
    #: Type of the file system that twins are built on; empty where the kernel does not tell.
    file_system: str
    #: What the server was started with, where that is not its default.
    settings: tuple[tuple[str, str], ...]


def read_setting(connection: Connection, settings: Mapping[str, str]) -> Setting:
    """Look at the machine and at a server that was started with these settings."""
    extensions = connection.execute(render("capture/extensions")).fetchall()
    return Setting(
        day=datetime.now(UTC).date(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        load=os.getloadavg()[1],
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        server=str(connection.info.parameter_status("server_version")),
        extensions=tuple((str(row["name"]), str(row["version"])) for row in extensions),
        file_system=_file_system(Path(tempfile.gettempdir()).resolve()),
        settings=tuple(sorted(settings.items())),
    )


def render_setting(setting: Setting) -> str:
    """Write the head of a page."""
    extensions = ", ".join(f"{name} {version}" for name, version in setting.extensions if name != "plpgsql")
    settings = ", ".join(f"`{name} = {value}`" for name, value in setting.settings)
    machine = f"{setting.processor}, {setting.cores} cores, {units.size(setting.memory_bytes)} of memory"
    lines = (
        f"{setting.day.isoformat()}, twindex {__version__}",
        f"{machine}, {setting.system}; load average before the run {setting.load:.1f}",
        f"PostgreSQL {setting.server}{f' ({extensions})' if extensions else ''}, Python {setting.python}",
        *([f"file system of TMPDIR: {setting.file_system}"] if setting.file_system else []),
        f"server settings that are not the default: {settings}",
    )
    return "\n".join(f"- {line}" for line in lines)


def render_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; a head that ends with a colon is a column of figures, on the right."""
    marks = ["---:" if head.endswith(":") else "---" for head in heads]
    lines = [[head.removesuffix(":") for head in heads], marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _file_system(directory: Path) -> str:
    """Return the type of the innermost mount that a directory is on."""
    if not _MOUNTS.is_file():
        return ""
    lines = [line.split(" ") for line in _MOUNTS.read_text(encoding="utf-8").splitlines()]
    found = [(len(point), kind) for _, point, kind, *_ in lines if directory.is_relative_to(point)]
    return max(found, default=(0, ""))[1]


def _processor() -> str:
    """Name the processor as the kernel does, where it does."""
    if _PROCESSORS.is_file():
        for line in _PROCESSORS.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine()
