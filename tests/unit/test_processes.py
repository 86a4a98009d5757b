"""Workers end with the process that started them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import runs

STARTS_ONE = """
import os, time
from analyzer.processes import worker_processes

if __name__ == "__main__":
    with worker_processes(1) as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ends_with_a_killed_parent(tmp_path: Path, by: signal.Signals) -> None:
    script = tmp_path / "starts_one.py"
    script.write_text(STARTS_ONE)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert runs(worker)
        parent.send_signal(by)
        parent.wait(10)
    deadline = time.monotonic() + 20
    while runs(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not runs(worker)
