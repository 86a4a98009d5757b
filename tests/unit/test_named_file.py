"""Files that are pipes: read to their end, however slow the writer is; without one, they hang no command."""

import os
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer import named_file
from analyzer.cli import cli
from analyzer.documents.snapshot import load
from analyzer.errors import InputError
from analyzer.workload.plan_files import read_plans

PLAN = "Seq Scan on t  (cost=0.00..2.00 rows=7 width=4)\n"


@pytest.fixture
def fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(named_file, "_MOST_WAIT", 0.5)
    monkeypatch.setattr(named_file, "_SILENCE", 0.2)
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def write(path: Path, *pieces: str, pause: float) -> threading.Thread:
    def run() -> None:
        with path.open("w") as file:
            for piece in pieces:
                time.sleep(pause)
                file.write(piece)
                file.flush()

    writer = threading.Thread(target=run, daemon=True)
    writer.start()
    return writer


def test_a_fifo_without_a_writer_is_refused(fifo: Path) -> None:
    for read in (lambda: read_plans((fifo,)), lambda: load(fifo)):
        with pytest.raises(InputError, match="is a pipe that nothing writes to; start its writer first"):
            read()


def test_a_command_says_so_in_one_line(fifo: Path) -> None:
    done = CliRunner().invoke(cli, ["propose", "--plans", str(fifo)])
    assert isinstance(done.exception, InputError)


def test_a_slow_writer_is_waited_for_and_named(fifo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = write(fifo, PLAN[:20], PLAN[20:], pause=0.8)
    assert len(read_plans((fifo,)).plans) == 1
    writer.join()
    assert capsys.readouterr().err == f"twindex: waiting for the writer of {fifo}, a pipe, to write or to close it\n"


def test_a_pipe_of_the_shell_is_read(fifo: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        file.write(PLAN)
    try:
        assert len(read_plans((Path(f"/dev/fd/{reading}"),)).plans) == 1
    finally:
        os.close(reading)
    assert fifo.is_fifo()


def test_a_writer_that_writes_nothing_is_an_empty_file(fifo: Path) -> None:
    write(fifo, pause=0)
    with pytest.raises(InputError, match="contains no plan"):
        read_plans((fifo,))


def test_a_device_has_an_end() -> None:
    with pytest.raises(InputError, match="contains no plan"):
        read_plans((Path("/dev/null"),))
