"""Read workloads from files: an export of pg_stat_statements, a pgbench script, SQL, or a directory of such files."""

import csv
import io
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from analyzer.amounts import plural
from analyzer.db import MARKER
from analyzer.documents.admission import breach
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.documents.weights import Weight
from analyzer.errors import InputError
from analyzer.postgres.lex import IncompleteError, lex
from analyzer.workload.parse import Workload, parse_file, parse_statements
from analyzer.workload.plannable import Edit, apply
from analyzer.workload.search_paths import SearchPaths
from analyzer.workload.statement import weighed

#: Names that versions of pg_stat_statements and consoles give to a column.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "query": ("query", "query_text", "normalized_query", "statement"),
    "queryid": ("queryid", "query_id", "queryhash"),
    "calls": ("calls", "execution_count", "call_count"),
    "total_ms": ("total_exec_time", "total_time", "total_time_ms", "total_exec_time_ms"),
    "mean_ms": ("mean_exec_time", "mean_time", "avg_time", "avg_time_ms", "mean_exec_time_ms"),
    "stddev_ms": ("stddev_exec_time", "stddev_time"),
    "rows": ("rows", "rows_returned"),
    "shared_blocks_hit": ("shared_blks_hit", "shared_blocks_hit"),
    "shared_blocks_read": ("shared_blks_read", "shared_blocks_read"),
    "toplevel": ("toplevel",),
}
_FALSE = frozenset({"f", "false", "0"})
#: Of a file.
MOST_ENTRIES = 200_000
#: Files of a directory that are read.
_SUFFIXES = frozenset({".sql", ".pgbench", ".csv", ".json"})
_META_COMMAND = re.compile(r"^[ \t]*\\(?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)


def read_workload(
    path: Path, read_text: Callable[[Path], str], snapshot: Snapshot, weigh_by: Weight = "time"
) -> Workload:
    """Read a file, or all of a directory in the order of their names; weights of an export are its calls and times.

    Raises InputError for what cannot be read.
    """
    workloads, entries, refused = list[Workload](), list[StatementCounters](), list[NotExamined]()
    for file in _files(path):
        text = read_text(file)
        if file.suffix in (".csv", ".json"):
            entries += _entries(file, text, refused)
        else:
            workloads.append(weighed(parse_file(_without_pgbench(text), SearchPaths(snapshot)), weigh_by))
    if entries:
        located = tuple(_with_search_paths(entries, snapshot))
        workloads.append(parse_statements(snapshot.model_copy(update={"statements": located}), weigh_by))
    return Workload(
        statements=tuple(each for workload in workloads for each in workload.statements),
        not_examined=(*refused, *(gap for workload in workloads for gap in workload.not_examined)),
        unread_weight=sum(workload.unread_weight for workload in workloads),
        weigh_by=weigh_by,
    )


def _with_search_paths(entries: Sequence[StatementCounters], snapshot: Snapshot) -> Iterator[StatementCounters]:
    """Give entries the search path, and so the ID, that the snapshot has recorded with their queryid, if it is one."""
    paths: defaultdict[str, set[tuple[str, ...] | None]] = defaultdict(set)
    for each in snapshot.statements:
        paths[each.queryid].add(each.search_path)
    for entry in entries:
        known = paths.get(entry.queryid, set())
        yield entry.model_copy(update={"search_path": next(iter(known))}) if len(known) == 1 else entry


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = [each for each in path.iterdir() if each.suffix in _SUFFIXES and each.is_file()]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); specify another directory") from None
    if not files:
        raise InputError(f"{path} contains no .sql, .pgbench, .csv or .json file; specify another directory")
    return sorted(each for each in files if not each.is_symlink())


def _entries(file: Path, text: str, refused: list[NotExamined]) -> list[StatementCounters]:
    """Return the entries of an export, and note the other rows of it."""
    rows = _csv_rows(file, text) if file.suffix == ".csv" else _json_rows(file, text)
    entries: list[StatementCounters] = []
    others = 0
    for number, row in enumerate(rows, 1):
        if number > MOST_ENTRIES:
            raise InputError(f"{file} has more than {MOST_ENTRIES:,} statements; split it")
        if MARKER in str(_value(row, "query") or ""):
            continue
        entry = _entry(file, row, number=number)
        if entry is None:
            others += 1
        else:
            entries.append(entry)
    if not entries:
        raise InputError(f"{file} contains no statement with calls; export pg_stat_statements with its queries")
    if others:
        refused.append(NotExamined(what=f"{plural(others, 'row')} of {file}", reason="they have no query or no calls"))
    return entries


def _csv_rows(file: Path, text: str) -> Iterator[Mapping[str, object]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    csv.field_size_limit(max(len(text), 1))
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
