"""Processes that work beside this one."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def worker_processes(workers: int) -> Generator[ProcessPoolExecutor]:
    """Run that many processes until the block ends; what they have not begun by then is left."""
    spawn = multiprocessing.get_context("spawn")  # a fork would share this process's connections
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin) as executor:
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C, which a terminal sends to all of its processes, and messages to the process that waits.

    End with that process.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def _end_with_parent() -> None:
    """Wait for the parent's end, however it came about: a worker that waits for work would never notice."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
