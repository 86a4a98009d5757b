"""Read workloads from files: an export of pg_stat_statements, a pgbench script, SQL, or a directory of such files."""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from analyzer.documents.admission import breach
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.errors import InputError
from analyzer.postgres.lex import IncompleteError, lex
from analyzer.workload.parse import Statement, Workload, parse_file, parse_statements
from analyzer.workload.plannable import Edit, apply

#: Names that versions of pg_stat_statements and consoles give to a column.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "query": ("query", "query_text", "normalized_query", "statement"),
    "queryid": ("queryid", "query_id", "queryhash"),
    "calls": ("calls", "execution_count", "call_count"),
    "total_ms": ("total_exec_time", "total_time", "total_time_ms", "total_exec_time_ms"),
    "mean_ms": ("mean_exec_time", "mean_time", "avg_time", "avg_time_ms", "mean_exec_time_ms"),
    "stddev_ms": ("stddev_exec_time", "stddev_time"),
    "rows": ("rows", "rows_returned"),
    "shared_blocks_hit": ("shared_blks_hit",),
    "shared_blocks_read": ("shared_blks_read",),
    "toplevel": ("toplevel",),
}
_FALSE = frozenset({"f", "false", "0"})
#: Of a file, and of the entries in it.
MOST_BYTES, MOST_ENTRIES = 256 * 1024**2, 200_000
#: Files of a directory that are read.
_SUFFIXES = frozenset({".sql", ".pgbench", ".csv", ".json"})
_META_COMMAND = re.compile(r"^[ \t]*\\(?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)


def read_workload(path: Path, read_text: Callable[[Path], str], snapshot: Snapshot) -> Workload:
    """Read a file, or all of a directory in the order of their names; weights of an export are its calls and times.

    Raises InputError for what cannot be read.
    """
    files = [path]
    if path.is_dir():
        try:
            files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); specify another directory") from None
    if not files:
        raise InputError(f"{path} contains no .sql, .pgbench, .csv or .json file; specify another directory")
    found = [_read(file, read_text, snapshot) for file in files]
    return Workload(
        statements=tuple(_distinct(each for workload in found for each in workload.statements)),
        not_examined=tuple(gap for workload in found for gap in workload.not_examined),
        unread_weight=sum(workload.unread_weight for workload in found),
    )


def _distinct(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Leave out what several files hold alike: a statement is known by what it is, and stands once."""
    return iter(dict.fromkeys(statements))


def _read(file: Path, read_text: Callable[[Path], str], snapshot: Snapshot) -> Workload:
    text = read_text(file)
    if file.suffix not in (".csv", ".json"):
        return parse_file(_without_pgbench(text))
    rows = _csv_rows(file, text) if file.suffix == ".csv" else _json_rows(file, text)
    entries: list[StatementCounters] = []
    refused = 0
    for row in rows:
        if len(entries) >= MOST_ENTRIES:
            raise InputError(f"{file} has more than {MOST_ENTRIES:,} statements; split it")
        entry = _entry(file, row, number=len(entries) + refused + 1)
        if entry is None:
            refused += 1
        else:
            entries.append(entry)
    if not entries:
        raise InputError(f"{file} contains no statement with calls; export pg_stat_statements with its queries")
    workload = parse_statements(snapshot.model_copy(update={"statements": tuple(entries)}))
    if not refused:
        return workload
    gap = NotExamined(what=f"{refused} rows of {file}", reason="they have no query or no calls")
    return replace(workload, not_examined=(*workload.not_examined, gap))


def _csv_rows(file: Path, text: str) -> Iterator[Mapping[str, object]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    csv.field_size_limit(MOST_BYTES)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    if reader.fieldnames is None or not {*_COLUMNS["query"]} & {name.strip().lower() for name in reader.fieldnames}:
        raise InputError(f"{file} has no column query; export pg_stat_statements with its header")
    try:
        for row in reader:
            yield {str(name).strip().lower(): value for name, value in row.items() if isinstance(value, str)}
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: not CSV ({error}); export it again") from None


def _json_rows(file: Path, text: str) -> Iterator[Mapping[str, object]]:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error}); export it again") from None
    if isinstance(document, dict):  # consoles wrap the rows
        lists: list[object] = [each for each in cast("dict[str, object]", document).values() if isinstance(each, list)]
        document = lists[0] if len(lists) == 1 else None
    if not isinstance(document, list):
        raise InputError(f"{file} does not contain a list of rows; export the rows of pg_stat_statements")
    for row in cast("list[object]", document):
        named = cast("dict[str, object]", row) if isinstance(row, dict) else {}
        yield {name.lower(): value for name, value in named.items()}


def _entry(file: Path, row: Mapping[str, object], *, number: int) -> StatementCounters | None:
    """Make the counters of one row; None where it has no text or was never called."""
    query, calls = _value(row, "query"), _number(row, "calls")
    if not isinstance(query, str) or not query.strip() or not calls:
        return None
    total_ms = _number(row, "total_ms")
    mean_ms = _number(row, "mean_ms")
    total_ms = calls * (mean_ms or 0.0) if total_ms is None else total_ms
    try:
        return StatementCounters(
            queryid=str(_value(row, "queryid") or f"row {number}"),
            query=query,
            calls=round(calls),
            total_ms=total_ms,
            mean_ms=total_ms / calls,
            stddev_ms=_number(row, "stddev_ms") or 0.0,
            rows=round(_number(row, "rows") or 0),
            shared_blocks_hit=round(_number(row, "shared_blocks_hit") or 0),
            shared_blocks_read=round(_number(row, "shared_blocks_read") or 0),
            temp_blocks=0,
            toplevel=str(_value(row, "toplevel")).lower() not in _FALSE,
        )
    except (ValidationError, OverflowError, ValueError) as error:
        reason = breach(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{file}: statement {number}: {reason}; export it again") from None


def _value(row: Mapping[str, object], field: str) -> object:
    return next((row[name] for name in _COLUMNS[field] if row.get(name) not in (None, "")), None)


def _number(row: Mapping[str, object], field: str) -> float | None:
    value = _value(row, field)
    try:
        return None if value is None else float(str(value).replace(",", ""))
    except ValueError:
        return None


def _without_pgbench(text: str) -> str:
    """Make SQL of a pgbench script: no meta-commands, and a parameter for each variable of a statement."""
    if not any(line.lstrip().startswith("\\") for line in text.splitlines()):
        return text
    plain = _META_COMMAND.sub("", text)
    try:
        tokens = lex(plain)
    except IncompleteError:
        return plain
    numbers: dict[str, int] = {}
    edits: list[Edit] = []
    for before, token in itertools.pairwise(tokens):
        if token.text == ";":
            numbers.clear()
        elif before.text == ":" and before.end == token.start and token.kind == "word":
            number = numbers.setdefault(token.text, len(numbers) + 1)
            edits.append(Edit(before.start, token.end, f"${number}"))
    return apply(plain, edits)
