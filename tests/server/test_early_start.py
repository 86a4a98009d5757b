"""The server of a twin starts while the database is still read, for the first twin alone, and never stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError
from analyzer.twin.build import starting_early
from analyzer.twin.server import cluster
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.twin import open_twin
from tests.conftest import fresh_database


@pytest.fixture(scope="module")
def captured(server: str) -> Iterator[Snapshot]:
    with fresh_database(server) as url:
        yield capture(url, statements=False)


@pytest.fixture
def homes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Directories of the servers that were started."""
    found: list[Path] = []
    started = cluster._started  # pyright: ignore[reportPrivateUsage] - what is counted

    def counted(home: Path, *arguments: object, **options: object) -> object:
        found.append(home)
        return started(home, *arguments, **options)  # pyright: ignore[reportArgumentType] - as they came

    monkeypatch.setattr(cluster, "_started", counted)
    return found


def test_the_first_twin_takes_it_and_the_next_one_starts_its_own(captured: Snapshot, homes: list[Path]) -> None:
    with starting_early(PlannerChoice()) as choice:
        assert choice.early is not None
        choice.early.begin(captured)
        choice.early.begin(captured)
        with open_twin(captured, wanted=choice) as first:
            assert first.plan("SELECT 1").cost > 0
            with open_twin(captured, wanted=choice) as second:
                assert second.plan("SELECT 1").cost == first.plan("SELECT 1").cost
            assert len(homes) == 2
        assert not any(home.exists() for home in homes)


def _interrupted(captured: Snapshot) -> None:
    with starting_early(PlannerChoice()) as choice:
        assert choice.early is not None
        choice.early.begin(captured)
        raise KeyboardInterrupt


def test_without_a_twin_it_is_removed(captured: Snapshot, homes: list[Path]) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(captured)
    assert len(homes) == 1
    assert not homes[0].exists()


def test_what_keeps_it_from_starting_is_told_to_the_twin(captured: Snapshot, tmp_path: Path) -> None:
    with starting_early(PlannerChoice(bin_dir=tmp_path)) as choice:
        assert choice.early is not None
        choice.early.begin(captured)
        with pytest.raises(CapabilityError), open_twin(captured, wanted=choice):
            pass


def test_it_is_not_needed(captured: Snapshot, homes: list[Path]) -> None:
    with starting_early(PlannerChoice()) as choice, open_twin(captured, wanted=choice) as twin:
        assert twin.plan("SELECT 1").cost > 0
    assert len(homes) == 1


def test_a_report_starts_one_server_and_a_failed_capture_leaves_none(
    server: str, homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The extension is missing, which a capture notices behind the catalog.
    with fresh_database(server) as url, pytest.raises(SystemExit) as leaving:
        main(["report", "-d", url, "--allow-superuser", "--quiet"])
    assert leaving.value.code == 3
    assert "pg_stat_statements is required" in capsys.readouterr().err
    assert len(homes) == 1
    assert not any(home.exists() for home in homes)
