"""Read extended statistics: what ANALYZE found for the objects of CREATE STATISTICS.

The catalog stores their coefficients in special formats (src/backend/statistics/mvdistinct.c, dependencies.c),
which a superuser and pg_read_all_data may read as bytes. A table's owner is shown the same as text.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg.rows import DictRow

from analyzer.capture.reader import REFUSALS, Reader, grouped, name_of, refusal
from analyzer.documents.measured import (
    ColumnStatistics,
    CommonCombination,
    Dependency,
    DistinctCombinations,
    ExtendedData,
    ExtendedStatistics,
)
from analyzer.documents.snapshot import NotExamined
from analyzer.sql import ident

#: STATS_NDISTINCT_MAGIC and STATS_DEPS_MAGIC; their byte order is the server's.
_DISTINCT_MAGIC, _DEPENDENCIES_MAGIC = 0xA352BFA4, 0xB4549A2C
_KINDS = ("distinct", "dependencies", "most_common")
_NO_DATA: Mapping[str, Any] = {"n_distinct": None, "dependencies": None, "most_common": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """Extended statistics, and the objects whose data could not be read."""

    statistics: tuple[ExtendedStatistics, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """The data of one object, as far as the role sees it."""

    parts: tuple[ExtendedData, ...]
    #: Why the data cannot be understood, if so.
    reason: str | None = None


def read_extended(reader: Reader, relations: Sequence[int], *, values: bool) -> Extended:
    """Read the extended statistics of relations; without `values`, no value of a row leaves the server."""
    what = partial(name_of, "extended statistics")
    bind = {"relations": list(relations)}
    rows = reader.printed("extended_statistics", bind, what=what, required="definition")
    if not rows:
        return Extended()
    direct = bool(rows[0]["readable"])
    names = {row["oid"]: what(row) for row in rows}
    bind = {"statistics": list(names), "values": values}
    ask = partial(reader.printed, what=lambda row: names[row["oid"]], naming=("oid",), direct=direct)
    try:
        data, expressions = grouped(ask("extended_data", bind)), grouped(ask("extended_expressions", bind))
    except REFUSALS as error:
        return Extended(
            statistics=tuple(as_extended(row, ()) for row in rows),
            not_examined=(NotExamined(what="extended statistics", reason=refusal(error)),),
        )
    found = {row["oid"]: _data(row, data.get(row["oid"], []), expressions.get(row["oid"], [])) for row in rows}
    return Extended(
        statistics=tuple(as_extended(row, found[row["oid"]].parts) for row in rows),
        not_examined=tuple(gap for row in rows for gap in _gaps(row, found[row["oid"]], direct=direct)),
    )


def as_extended(row: Mapping[str, Any], data: tuple[ExtendedData, ...] = ()) -> ExtendedStatistics:
    """Turn a row of `capture/extended_statistics` into a record."""
    names = ("schema_name", "name", "table_schema", "table", "definition", "columns", "expressions", "target")
    return ExtendedStatistics(**{name: row[name] for name in names}, data=data)


def _gaps(row: DictRow, data: _Data, *, direct: bool) -> Iterator[NotExamined]:
    what = f"extended statistics {ident(row['schema_name'], row['name'])}"
    if data.reason is not None:
        yield NotExamined(what=what, reason=data.reason)
    elif not data.parts and not direct:
        reason = "only the table's owner and pg_read_all_data can see their data; GRANT pg_read_all_data"
        yield NotExamined(what=what, reason=reason)


def _data(row: DictRow, data: list[dict[str, Any]], expressions: list[dict[str, Any]]) -> _Data:
    positions = {number: position for position, number in enumerate(row["numbers"])}
    columns, count = len(row["columns"]), len(row["expressions"])
    positions |= {-number: columns + number - 1 for number in range(1, count + 1)}
    parts: list[ExtendedData] = []
    for inherited in sorted({part["inherited"] for part in (*data, *expressions)}):
        part = next((part for part in data if part["inherited"] == inherited), _NO_DATA)
        found = {each["position"]: each for each in expressions if each["inherited"] == inherited}
        try:
            parts.append(
                ExtendedData(
                    inherited=inherited,
                    distinct=_distinct(part["n_distinct"], positions),
                    dependencies=_dependencies(part["dependencies"], positions),
                    most_common=_most_common(part["most_common"]),
                    expressions=tuple(_expression(row, found.get(n), n) for n in range(1, count + 1)),
                )
            )
        except (ValueError, LookupError, struct.error):
            return _Data(
                parts=(), reason="the server stores them in a format that this version of twindex does not know"
            )
    return _Data(parts=tuple(part for part in parts if _says_something(part)))


def _says_something(part: ExtendedData) -> bool:
    return any(getattr(part, kind) is not None for kind in _KINDS) or any(part.expressions)


def _expression(row: DictRow, found: Mapping[str, Any] | None, position: int) -> ColumnStatistics | None:
    if found is None:
        return None
    named = {"schema_name": row["schema_name"], "relation": row["name"], "column": str(position)}
    return ColumnStatistics(**named, **{name: value for name, value in found.items() if name != "position"})


def _distinct(data: bytes | str | None, positions: Mapping[int, int]) -> tuple[DistinctCombinations, ...] | None:
    if data is None:
        return None
    if isinstance(data, str):
        items = [(_numbers(name), float(value)) for name, value in json.loads(data).items()]
    else:
        items = list(parse_distinct(data))
    return tuple(DistinctCombinations(keys=tuple(positions[n] for n in numbers), distinct=d) for numbers, d in items)


def _dependencies(data: bytes | str | None, positions: Mapping[int, int]) -> tuple[Dependency, ...] | None:
    if data is None:
        return None
    if isinstance(data, str):
        items = [(_numbers(name.replace("=>", ",")), float(value)) for name, value in json.loads(data).items()]
    else:
        items = list(parse_dependencies(data))
    return tuple(Dependency(keys=tuple(positions[n] for n in numbers), degree=degree) for numbers, degree in items)


def _most_common(items: list[dict[str, Any]] | None) -> tuple[CommonCombination, ...] | None:
    return None if items is None else tuple(CommonCombination(**item) for item in items)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parse_distinct(data: bytes) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield attribute numbers and number of combinations from the bytes of a pg_ndistinct; raises ValueError."""
    order, count = _header(data, _DISTINCT_MAGIC)
    offset = 12
    for _ in range(count):
        distinct, members = struct.unpack_from(f"{order}di", data, offset)
        yield struct.unpack_from(f"{order}{members}h", data, offset + 12), distinct
        offset += 12 + 2 * members


def parse_dependencies(data: bytes) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield attribute numbers, the one that follows last, and the degree from a pg_dependencies; raises ValueError."""
    order, count = _header(data, _DEPENDENCIES_MAGIC)
    offset = 12
    for _ in range(count):
        degree, members = struct.unpack_from(f"{order}dh", data, offset)
        yield struct.unpack_from(f"{order}{members}h", data, offset + 10), degree
        offset += 10 + 2 * members


def _header(data: bytes, magic: int) -> tuple[str, int]:
    """Return the byte order and the number of items."""
    for order in "<>":
        found, kind, count = struct.unpack_from(f"{order}III", data)
        if found == magic and kind == 1:
            return order, count
    raise ValueError("not the expected kind of statistics")


def dump_distinct(items: Sequence[tuple[tuple[int, ...], float]]) -> bytes:
    """Write the bytes of a pg_ndistinct, in this machine's byte order."""
    parts = [struct.pack("=III", _DISTINCT_MAGIC, 1, len(items))]
    parts += [struct.pack(f"=di{len(numbers)}h", distinct, len(numbers), *numbers) for numbers, distinct in items]
    return b"".join(parts)


def dump_dependencies(items: Sequence[tuple[tuple[int, ...], float]]) -> bytes:
    """Write the bytes of a pg_dependencies, in this machine's byte order."""
    parts = [struct.pack("=III", _DEPENDENCIES_MAGIC, 1, len(items))]
    parts += [struct.pack(f"=dh{len(numbers)}h", degree, len(numbers), *numbers) for numbers, degree in items]
    return b"".join(parts)
