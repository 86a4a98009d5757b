"""On a terminal a deploy shows bars, with who holds it up, and its log lines above them."""

import re
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analyzer.db import connect
from tests.server.executor import await_, state
from tests.server.spec_project import SpecProject
from tests.server.terminal import OnTerminal, on_terminal

#: As `alembic init` writes it.
LOGGING = """
[loggers]
keys = root,alembic
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[logger_alembic]
level = INFO
handlers =
qualname = alembic
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
"""
CONFIGURED = "from logging.config import fileConfig\nfileConfig(context.config.config_file_name)"
_BAR = "━" * 20
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def held_up(directory: Path, url: str, *, columns: int) -> Generator[tuple[OnTerminal, int]]:
    """Begin a deploy on a terminal and lead it into a wait; yield it with the pid of the writer it waits for."""
    project = SpecProject(directory, url, env={"models": CONFIGURED})
    project.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) AS n")
    project.declare("{name: ix, keys: [a]}")
    project.ini.write_text(f"{project.ini.read_text()}twindex_plain_build = 0\n{LOGGING}")
    assert project.autogenerate() is not None
    command = [sys.executable, "-m", "alembic", "-c", str(project.ini), "upgrade", "head"]
    with connect(url) as writer:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        with on_terminal(command, columns=columns) as deploy:
            await_(lambda: "SET b = 1" in deploy.text)
            yield deploy, writer.info.backend_pid
            writer.rollback()


@pytest.mark.parametrize("columns", [150, 60])
def test_a_terminal_gets_a_bar_that_names_the_blocker_and_is_gone_in_the_end(
    tmp_path: Path, database: str, columns: int
) -> None:
    with held_up(tmp_path, database, columns=columns) as (deploy, pid):
        shown = " ".join(_CONTROL.sub("", deploy.text).split())
        assert (
            f"{_BAR} 0:00:00 building public.ix: waiting for writers before build, 0 %; waits for pid {pid} " in shown
        )
        assert "(role postgres, application twindex, idle in transaction, for" in shown
    assert deploy.process.returncode == 0, deploy.text
    plain = _COLOUR.sub("", deploy.text)
    drawn = _CONTROL.sub("", plain.partition("\x1b[?25l")[2])
    assert max(len(line) for line in re.split(r"\r|\n", drawn)) <= columns
    # A line of the log begins where the bar was wiped off, and the bar is drawn again below it.
    assert re.search(r"\x1b\[2KINFO  \[analyzer\.migrate\] built public\.ix in \d+\.\d s *\r\n", plain)
    assert plain.endswith("\x1b[1A\x1b[2K")
    assert plain.count("\x1b[?25l") == plain.count("\x1b[?25h") == 1


def test_an_interrupt_leaves_one_line_and_a_terminal_in_order(tmp_path: Path, database: str) -> None:
    with held_up(tmp_path, database, columns=150) as (deploy, _):
        deploy.process.send_signal(signal.SIGINT)
        deploy.process.wait(timeout=30)
    assert deploy.process.returncode == 130, deploy.text
    _, _, after = deploy.text.partition("\x1b[?25h")
    (line,) = filter(None, (each.strip() for each in _CONTROL.sub("", after).splitlines()))
    assert line.startswith("WARNI [analyzer.migrate] interrupted at public.ix: it is INVALID; run alembic again")
    assert not state(database, "ix")["ix"][0]
