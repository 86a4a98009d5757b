"""Files that nobody meant well: whatever is in them, one line says what is wrong with it, or it is read.

Each input is tried in a child of its own, under a limit of memory and of time. `TWINDEX_FUZZ_SECONDS` is for how long
(`make fuzz FUZZ_MINUTES=10`), shared among the kinds; what fails is kept below the directory that pytest names.
"""

import gzip
import os
import random
import time
from pathlib import Path

import pytest

from tests.fuzz.child import CASES, Failure, run_in_child
from tests.fuzz.inputs import KINDS

SECONDS = float(os.environ.get("TWINDEX_FUZZ_SECONDS", "20"))
#: The same inputs each time, as far as the time goes; `make fuzz` takes others.
SEED = int(os.environ.get("TWINDEX_FUZZ_SEED", "1"))
#: How many inputs one child tries before the next; it dies with the first that kills it.
BATCH = 40


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_input_is_a_traceback_or_without_end(kind: str, tmp_path: Path) -> None:
    rnd = random.Random(f"{SEED} {kind}")
    deadline = time.monotonic() + SECONDS / len(KINDS)
    failures: list[str] = []
    tried = 0
    while time.monotonic() < deadline and len(failures) < 10:
        batch = [KINDS[kind](rnd) for _ in range(BATCH)]
        while batch:
            done, failure = run_in_child(CASES[kind], batch, tmp_path)
            tried += done
            if failure is None:
                break
            failures.append(kept(failure, batch[done], tmp_path / f"{kind}-{len(failures)}"))
            batch = batch[done + 1 :]
    assert not failures, f"seed {SEED}, {tried} tried:\n" + "\n".join(failures)
    assert tried


def kept(failure: Failure, data: bytes, path: Path) -> str:
    path.write_bytes(gzip.compress(data, mtime=0))
    return f"{path}.gz: {failure.what}"
