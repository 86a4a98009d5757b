"""pgvector's limits and costs: TX122 and TX204 to TX208."""

import math
import re
from collections.abc import Iterator

from analyzer.catalog import dimensions
from analyzer.checks.rule import (
    NEEDS_SERVER,
    NEEDS_STATEMENTS,
    NEEDS_STATISTICS,
    NEEDS_TABLE,
    Answer,
    Rule,
    Subject,
    Unknown,
    Violation,
)
from analyzer.checks.spec.sql_calls import casts
from analyzer.objects.index import Key
from analyzer.postgres.access_methods import VECTOR_METHODS
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.pgvector import (
    DEFAULT_LISTS,
    MOST_DIMENSIONS,
    SAFE_PARALLEL_HNSW,
    advised_lists,
    fewest_rows,
    hnsw_bytes,
    kmeans_bytes,
)
from analyzer.postgres.versions import numbers

#: PostgreSQL's own maintenance_work_mem.
_DEFAULT_MEMORY_BYTES = 64 * 1024**2
_OPERATORS = {"l2": "<->", "ip": "<#>", "cosine": "<=>", "l1": "<+>", "hamming": "<~>", "jaccard": "<%>"}
_UNITS = {"kB": 1024, "MB": 1024**2, "GB": 1024**3}


def _vector(subject: Subject, key: Key) -> tuple[str | None, int | None]:
    """Return type and dimensions of a key, as far as they are known."""
    if key.expression is not None:
        found = [cast for cast in casts(key.expression) if cast.type in MOST_DIMENSIONS]
        if not found:
            return None, None
        modifier = found[-1].modifier
        return found[-1].type, int(modifier) if modifier is not None and modifier.isdigit() else None
    column = subject.column(key.column)
    return subject.type_of(key), dimensions(column.type) if column is not None else None


def _dimensions(subject: Subject) -> Iterator[Answer]:
    if subject.index.method not in VECTOR_METHODS:
        return
    for number, key in enumerate(subject.index.keys):
        kind, size = _vector(subject, key)
        most = MOST_DIMENSIONS.get(kind or "")
        if kind is None and subject.known is None:
            yield NEEDS_TABLE
        elif most is not None and kind is not None and size is None:
            rewrite = "give the column its dimensions, vector(1536), or cast: {expression: embedding::vector(1536)}"
            message = f"{key.column or key.expression} has no fixed dimensions"
            yield Violation(message=message, at=("keys", number), rewrite=rewrite)
        elif most is not None and kind is not None and size is not None and size > most:
            yield _too_many(subject, number, kind, size)


def _too_many(subject: Subject, number: int, kind: str, size: int) -> Violation:
    key = subject.index.keys[number]
    message = f"{kind}({size}) has more than the {MOST_DIMENSIONS[kind]} dimensions an index takes"
    if kind != "vector" or size > MOST_DIMENSIONS["halfvec"]:
        rewrite = f"index a part: {{expression: subvector({key.column}, 1, {MOST_DIMENSIONS['vector']})}}"
        return Violation(message=message, at=("keys", number), rewrite=rewrite if kind == "vector" else None)
    source = key.column if key.column is not None else f"({key.expression})"
    expression = f"{source}::halfvec({size})"
    opclass = bare_name(key.opclass).replace("vector_", "halfvec_") or "halfvec_cosine_ops"
    return Violation(
        message=message,
        at=("keys", number),
        rewrite=f"{{expression: '{expression}', opclass: {opclass}}}; the statement casts as well",
        fix=subject.with_key(number, column=None, expression=expression, opclass=opclass),
    )


def lists_of(subject: Subject) -> int:
    """Return the lists an ivfflat index is built with."""
    stated = dict(subject.index.parameters).get("lists")
    return int(stated) if stated is not None and stated.isdigit() else DEFAULT_LISTS


def _indexed_rows(subject: Subject) -> float | None:
    """Return how many rows have a vector; None when that is unknown. NULLs are not indexed."""
    rows = subject.rows
    statistics = subject.statistics(subject.index.keys[0].column)
    return rows * (1 - statistics.null_fraction) if rows is not None and statistics is not None else rows


def _few_rows(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "ivfflat":
        return
    rows, lists = _indexed_rows(subject), lists_of(subject)
    if subject.known is None:
        yield Unknown(reason="requires the number of rows; use -d URL or --snapshot")
    elif rows is None:
        yield NEEDS_STATISTICS
    elif rows < fewest_rows(lists):
        yield Violation(
            message=f"{rows:,.0f} rows for {lists} lists: ivfflat computes its lists at build time; with fewer than "
            f"{fewest_rows(lists):,} rows, recall stays poor until it is rebuilt",
            at=("with",),
            rewrite="build it after the table is filled, with lists: auto; or hnsw, which learns as rows come",
        )
    elif not 0.25 <= lists / advised_lists(rows) <= 4:
        rewrite = f"lists: auto ({advised_lists(rows)} now), and ivfflat.probes about {math.isqrt(advised_lists(rows))}"
        yield Violation(
            message=f"{lists} lists for {rows:,.0f} rows differ widely from pgvector's recommendation",
            at=("with",),
            rewrite=rewrite,
        )


def _memory(subject: Subject) -> tuple[int, str] | None:
    """Return the memory of the build and who says so; None when it is unknown."""
    stated = subject.spec.build.maintenance_work_mem
    if stated is not None:
        number, unit = re.findall(r"(\d+) ?(\w+)", stated)[0]
        return int(number) * _UNITS[unit], "the spec's build"
    if subject.known is None:
        return None
    setting = subject.known.catalog.snapshot.server.maintenance_work_mem_bytes
    return (_DEFAULT_MEMORY_BYTES, "PostgreSQL's default") if setting is None else (setting, "the server's setting")


def _hnsw_memory(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "hnsw":
        return
    kind, size = _vector(subject, subject.index.keys[0])
    rows, memory = _indexed_rows(subject), _memory(subject)
    if subject.known is None or memory is None:
        yield NEEDS_TABLE
    elif rows is None or kind is None or size is None:
        yield NEEDS_STATISTICS
    else:
        m = dict(subject.index.parameters).get("m", "")
        need = hnsw_bytes(rows, key_type=kind, dimensions=size, m=int(m) if m.isdigit() else None)
        if need > memory[0]:
            wanted = math.ceil(need * 1.1 / 1024**2)
            yield Violation(
                message=f"the graph of {rows:,.0f} rows takes {_mb(need)} MB, {memory[1]} gives {_mb(memory[0])} MB: "
                "past that the build is many times slower",
                at=("build",),
                rewrite=f"build: {{maintenance_work_mem: {wanted}MB}}, if the server has it",
                fix_keys={"build": {"maintenance_work_mem": f"{wanted}MB"} | _workers(subject)},
            )


def _workers(subject: Subject) -> dict[str, int]:
    workers = subject.spec.build.parallel_workers
    return {} if workers is None else {"parallel_workers": workers}


def _kmeans_memory(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "ivfflat":
        return
    kind, size = _vector(subject, subject.index.keys[0])
    rows, memory, lists = _indexed_rows(subject), _memory(subject), lists_of(subject)
    if subject.known is None or memory is None:
        yield NEEDS_TABLE
    elif rows is None or kind is None or size is None:
        yield NEEDS_STATISTICS
    elif (need := kmeans_bytes(rows, key_type=kind, dimensions=size, lists=lists)) > memory[0]:
        wanted = math.ceil(need * 1.1 / 1024**2)
        yield Violation(
            message=f"clustering into {lists} lists takes {_mb(need)} MB, {memory[1]} gives {_mb(memory[0])} MB: "
            "the build fails",
            at=("with",),
            rewrite=f"build: {{maintenance_work_mem: {wanted}MB}}, or fewer lists",
            fix_keys={"build": {"maintenance_work_mem": f"{wanted}MB"} | _workers(subject)},
        )


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1024**2:,.0f}"


def _version(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "hnsw":
        return
    if subject.known is None:
        yield Unknown(reason="the version of pgvector is known with -d URL or --snapshot")
        return
    extensions = subject.known.catalog.snapshot.extensions
    found = next((each.version for each in extensions if each.name == "vector"), None)
    if found is None:
        yield NEEDS_SERVER
    elif numbers(found) < SAFE_PARALLEL_HNSW and _workers(subject) != {"parallel_workers": 0}:
        yield Violation(
            message=f"pgvector {found} can write past a buffer in a parallel build of hnsw; 0.8.2 cannot",
            at=("method",),
            rewrite="ALTER EXTENSION vector UPDATE first, or build: {parallel_workers: 0}",
            fix_keys={"build": subject.spec.build.model_dump(exclude_none=True) | {"parallel_workers": 0}},
        )


def _distance(subject: Subject) -> Iterator[Answer]:
    """Compare the class with the distances that the recorded statements order by."""
    if subject.index.method not in VECTOR_METHODS:
        return
    uses = subject.uses
    if uses is None:
        yield NEEDS_STATEMENTS
        return
    key = subject.index.keys[0]
    asked = {each.operator for use in uses for each in use.nearest if each.column == key.column}
    distance = bare_name(key.opclass).removesuffix("_ops").rpartition("_")[2] or "l2"
    served = _OPERATORS.get(distance)
    if key.column is not None and asked and served is not None and served not in asked:
        names = {operator: name for name, operator in _OPERATORS.items()}
        wanted = min(asked)
        opclass = f"{subject.type_of(key) or 'vector'}_{names.get(wanted, 'l2')}_ops"
        yield Violation(
            message=f"{bare_name(key.opclass) or 'its class'} serves ORDER BY {key.column} {served}; "
            f"the recorded statements order by {', '.join(sorted(asked))}",
            at=("keys", 0),
            rewrite=f"opclass: {opclass}",
            fix=subject.with_key(0, opclass=opclass) if wanted in names else None,
        )


RULES = (
    Rule(
        code="TX122", name="vector-dimensions", severity="error",
        title="vector has no dimensions, or too many for an index",
        sqlstates=("54000", "22023"), check=_dimensions, decided_by_server=True,
    ),
    Rule(
        code="TX204", name="ivfflat-rows", severity="warning",
        title="ivfflat has too few rows, or lists far from pgvector's advice",
        check=_few_rows,
    ),
    Rule(
        code="TX205", name="hnsw-memory", severity="warning", title="hnsw graph does not fit in maintenance_work_mem",
        check=_hnsw_memory,
    ),
    Rule(
        code="TX206", name="ivfflat-memory", severity="warning",
        title="ivfflat clustering needs more than maintenance_work_mem",
        sqlstates=("54000",), check=_kmeans_memory,
    ),
    Rule(
        code="TX207", name="pgvector-version", severity="warning", title="hnsw on a pgvector version with a known bug",
        check=_version,
    ),
    Rule(
        code="TX208", name="unused-distance-operator", aliases=("distance-not-asked",), severity="warning",
        title="no recorded statement uses the operator class's distance operator",
        check=_distance,
    ),
)  # fmt: skip
