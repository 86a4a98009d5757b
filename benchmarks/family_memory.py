"""How much memory and processor time a process takes together with those that it starts."""

import contextlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path


class FamilyMemory(threading.Thread):
    """Watches how much memory this process and those that it starts take together, shared pages counted once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_bytes = self.processes = 0
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look every half second: more often takes time from what is measured."""
        while not self._is_over.wait(0.5):
            found = [_memory(process) for process in _family(os.getpid())]
            self.most_bytes = max(self.most_bytes, sum(found))
            self.processes = max(self.processes, len(found))

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.join()


def _family(process: int) -> Iterator[int]:
    """Yield a process and those that it has started."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))


def _memory(process: int) -> int:
    """Return the proportional set size of a process; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def processor_seconds() -> float:
    """Return the processor time of this process and of those it started that have ended."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
