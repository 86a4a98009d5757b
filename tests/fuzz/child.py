"""Try inputs in a child process with little memory and little time."""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.advise.candidates import candidates
from analyzer.documents.snapshot import dump, load
from analyzer.errors import TwindexError
from analyzer.specs.tolerant import load_sources
from analyzer.workload.bindings import alternatives, bindings, bound_text
from analyzer.workload.parse import parse_file, parse_statements
from analyzer.workload.shapes import shapes
from analyzer.workload.system_statements import tableless
from tests.fuzz.seeds import shop
from tests.operator_classes import of_extensions

#: Of address space, beside what the child begins with.
MEMORY_BYTES = 2 * 1024**3
#: For one input; the tests may run beside others on a slow machine.
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What became of an input: a traceback, a signal, or no end."""

    what: str


def try_snapshot(data: bytes, directory: Path) -> None:
    """Read a snapshot file, and all that is done with one before there is a server."""
    path = directory / "fuzzed"
    path.write_bytes(data)
    snapshot = load(path)
    workload = parse_statements(snapshot)
    tableless(workload.statements, snapshot)
    shaped, _ = shapes(workload.statements, snapshot)
    candidates(shaped, snapshot, of_extensions())
    dump(snapshot, path)
    load(path)


def try_statements(data: bytes, directory: Path) -> None:
    """Read a file of statements, and draft indexes for them."""
    snapshot = shop()
    workload = parse_file(data.decode("utf-8", "replace"))
    tableless(workload.statements, snapshot)
    shaped, _ = shapes(workload.statements, snapshot)
    candidates(shaped, snapshot, of_extensions())
    by_id = {each.statement_id: each for each in shaped}
    for statement in workload.statements:
        if statement.id in by_id:
            drawn = bindings(statement, by_id[statement.id], snapshot)
            for binding in (*drawn, *alternatives(statement, by_id[statement.id], snapshot)):
                bound_text(statement.plannable, binding)


def try_spec(data: bytes, directory: Path) -> None:
    """Read a spec file."""
    path = directory / "fuzzed.yaml"
    path.write_bytes(data)
    load_sources([path])


CASES: dict[str, Callable[[bytes, Path], None]] = {
    "snapshot": try_snapshot,
    "statements": try_statements,
    "spec": try_spec,
}


def run_in_child(
    case: Callable[[bytes, Path], None], batch: Sequence[bytes], directory: Path
) -> tuple[int, Failure | None]:
    """Try one input after another in a child; return how many passed and what the next one did, if any failed."""
    progress, log = directory / "progress", directory / "log"
    progress.write_text("0")
    log.write_text("")
    child = os.fork()
    if child == 0:
        _child(case, batch, directory, progress, log)
    _, status = os.waitpid(child, 0)
    done = int(progress.read_text() or "0")
    if status == 0:
        return done, None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        what = f"no end within {SECONDS} s" if number == signal.SIGALRM else signal.Signals(number).name
        return done, Failure(what=what)
    return done, Failure(what=log.read_text())


def _child(
    case: Callable[[bytes, Path], None], batch: Sequence[bytes], directory: Path, progress: Path, log: Path
) -> None:
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_BYTES, hard))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number, data in enumerate(batch):
            progress.write_text(str(number))
            signal.alarm(SECONDS)
            _tried(case, data, directory)
        progress.write_text(str(len(batch)))
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent reports it
        log.write_text(traceback.format_exc(limit=-6)[-3000:])
    finally:
        sys.stdout.flush()
        os._exit(status)


def _tried(case: Callable[[bytes, Path], None], data: bytes, directory: Path) -> None:
    try:
        case(data, directory)
    except TwindexError as error:
        if "\n" in str(error) or len(str(error)) > 2000:
            raise AssertionError(f"not one line: {str(error)[:200]!r}") from None


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
