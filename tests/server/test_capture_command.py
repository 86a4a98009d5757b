"""`twindex capture` as a person meets it."""

import stat
from pathlib import Path

import pytest

from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents import snapshot as snapshots
from tests.server.capture_zoo import build


def test_the_command_writes_a_private_file_and_one_line(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "zoo.snapshot"
    with connect(database, autocommit=True) as connection:
        build(connection)
    with pytest.raises(SystemExit) as leaving:
        main(["capture", "-d", database, "--allow-superuser", "-o", str(output), "--no-values"])
    assert leaving.value.code == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "not examined (" in said.err
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert not snapshots.load(output).values
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.snapshot"]


@pytest.mark.parametrize(("output", "message"), [("", "is a directory"), ("missing/file", "does not exist")])
def test_an_output_that_cannot_be_written_is_refused_first(
    output: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["capture", "-d", "postgresql://nobody@127.0.0.1:1/none", "-o", str(tmp_path / output)])
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


def test_an_unreachable_server_is_exit_3_without_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://nobody:hush@127.0.0.1:1/none"
    with pytest.raises(SystemExit) as leaving:
        main(["capture", "-d", url, "-o", str(tmp_path / "file")])
    assert leaving.value.code == 3
    assert "hush" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
