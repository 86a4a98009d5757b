"""How fast the log reader is, and how much memory it takes: `python -m benchmarks.log_reader [--size 1GB]`.

The log is written as a busy server writes it: prepared statements with values, statements with constants of their own,
lines that say nothing, errors and temporary files.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from analyzer.cli.quantities import Size
from analyzer.workload.log_reader import read_log
from benchmarks.family_memory import FamilyMemory, processor_seconds

#: Distinct prepared statements, and distinct statements with constants.
_PREPARED, _SIMPLE = 400, 200
_FORMATS = ("stderr", "csvlog", "jsonlog")
#: The limits for 1 GB, on two cores: of the time that passes, and of the memory of all processes.
MOST_SECONDS, MOST_BYTES = 60, 300 * 1024**2


def write_log(path: Path, size: int, log_format: str = "stderr", seed: int = 1) -> None:
    """Write a log of about that many bytes, always the same."""
    drawn, written = random.Random(seed), 0
    with path.open("w", encoding="utf-8") as file:
        for number in range(size):
            for text in _record(drawn, number, log_format):
                written += file.write(text)
            if written >= size:
                return


def _record(drawn: random.Random, number: int, log_format: str) -> Iterator[str]:
    seconds = number // 500
    at = f"2026-11-{1 + seconds // 86_400 % 28:02} {seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    moment, process, kind = f"{at}.{number % 500 * 2:03} UTC", drawn.randrange(1000, 1200), drawn.random()
    ms, which, value = drawn.lognormvariate(0, 2), drawn.randrange(_PREPARED), int(drawn.paretovariate(1))
    detail, statement, severity, sqlstate = "", "", "LOG", "00000"
    if kind < 0.55:
        message = (
            f"duration: {ms:.3f} ms  execute S_{which}: SELECT t{which}.id, t{which}.name, t{which}.created_at "
            f"FROM shop.t{which} WHERE t{which}.customer_id = $1 AND t{which}.state = $2 "
            f"ORDER BY t{which}.created_at DESC LIMIT $3"
        )
        detail = f"Parameters: $1 = '{value}', $2 = 'open', $3 = '50'"
    elif kind < 0.85:
        which %= _SIMPLE
        message = (
            f"duration: {ms:.3f} ms  statement: UPDATE shop.u{which} SET seen_at = '2026-11-29 {number % 24:02}:00', "
            f"visits = visits + {value} WHERE u{which}.token = 'tok-{number}' AND kind = {which}"
        )
    elif kind < 0.98:
        message = f"connection authorized: user=app database=shop application_name=worker {number}"
    elif kind < 0.99:
        message = f'temporary file: path "base/pgsql_tmp/pgsql_tmp{process}.{number}", size {value * 8192}'
        statement = f"SELECT * FROM shop.t{which} ORDER BY name"
    else:
        severity, sqlstate = "ERROR", "23505"
        message = 'duplicate key value violates unique constraint "u_key"'
        statement = f"INSERT INTO shop.u{which % _SIMPLE} (token, kind) VALUES ('tok-{number}', {which})"
    if log_format == "stderr":
        prefix = f"{moment} [{process}] app@shop "
        yield f"{prefix}{severity}:  {message}\n"
        if detail:
            yield f"{prefix}DETAIL:  {detail}\n"
        if statement:
            yield f"{prefix}STATEMENT:  {statement}\n"
    elif log_format == "csvlog":
        quoted = [f'"{text.replace(chr(34), chr(34) * 2)}"' if text else "" for text in (message, detail, statement)]
        yield (
            f'{moment},"app","shop",{process},"10.0.0.1:5000",66a1.{process},{number},"SELECT",{at} UTC,3/7,0,'
            f'{severity},{sqlstate},{quoted[0]},{quoted[1]},,,,,{quoted[2]},,,"worker","client backend",,0\n'
        )
    else:
        texts = (("message", message), ("detail", detail), ("statement", statement))
        shown = ",".join(f'"{name}":"{text.replace(chr(34), chr(92) + chr(34))}"' for name, text in texts if text)
        yield (
            f'{{"timestamp":"{moment}","user":"app","dbname":"shop","pid":{process},"error_severity":"{severity}",'
            f'"state_code":"{sqlstate}",{shown},"application_name":"worker","backend_type":"client backend",'
            '"query_id":0}\n'
        )


def _measure(path: Path, workers: int | None) -> None:
    """Read a log, and print how long that takes and how much memory, with all processes that it starts."""
    memory = FamilyMemory()
    memory.start()
    started, worked = time.perf_counter(), processor_seconds()
    log = read_log([path], workers=workers)
    seconds, processor = time.perf_counter() - started, processor_seconds() - worked
    memory.stop()
    size = path.stat().st_size
    scaled = seconds * 1024**3 / size
    verdict = "meets" if scaled <= MOST_SECONDS and memory.most_bytes <= MOST_BYTES else "misses"
    print(
        f"{log.files[0].format}: {size / 1024**2:,.0f} MB, {log.files[0].records:,} records, {len(log.statements):,} "
        f"statements in {seconds:.1f} s, {processor:.1f} s of processor time: {size / 1024**2 / seconds:.1f} MB/s, "
        f"{scaled:.0f} s for 1 GB ({processor * 1024**3 / size:.0f} s of processor time), peak memory "
        f"{memory.most_bytes / 1024**2:.0f} MB of {memory.processes} processes; "
        f"{verdict} the target of {MOST_SECONDS} s and {MOST_BYTES // 1024**2} MB"
    )


def main() -> None:
    """Write a log in each format, read it, and print how fast that was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1GB", help="size of each log  [default: 1GB]")
    parser.add_argument("--read", type=Path, help="measure with this log")
    parser.add_argument("--workers", type=int, help="processes that read  [default: one per core, at most 4]")
    parser.add_argument("--dir", type=Path, help="directory for the logs written")
    wanted = parser.parse_args()
    if wanted.read:
        _measure(wanted.read, wanted.workers)
        return
    size = Size().convert(wanted.size, None, None)
    with tempfile.TemporaryDirectory(dir=wanted.dir) as directory:
        for log_format in _FORMATS:
            path = Path(directory) / f"{log_format}.log"
            write_log(path, size, log_format)
            workers = [] if wanted.workers is None else ["--workers", str(wanted.workers)]
            command = [sys.executable, "-m", "benchmarks.log_reader", "--read", path, *workers]
            subprocess.run(command, check=True)  # in a process of its own, whose memory is measured
            path.unlink()


if __name__ == "__main__":
    main()
