"""Read the heights of btree indexes, which the planner charges for in every descent.

A superuser reads them from the metapages with pageinspect. Everybody else reads them from the planner: the startup
cost of a scan of the index is ceil(log2(rows)) + 50 (height + 1) operator costs (btcostestimate() in selfuncs.c, the
same in 14 to 18).
"""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import DictRow

from analyzer.capture.indexes import NULLS_FIRST, collates
from analyzer.capture.reader import REFUSALS, Reader
from analyzer.documents.snapshot import Extension, Server
from analyzer.postgres.identifiers import QualifiedName

#: Operator costs the planner charges for a page of a descent: DEFAULT_PAGE_CPU_MULTIPLIER in selfuncs.c.
_OPERATORS_PER_PAGE = 50


def read_heights(
    reader: Reader,
    rows: Sequence[DictRow],
    *,
    server: Server,
    extensions: Sequence[Extension],
    unreadable: frozenset[int],
) -> dict[int, int]:
    """Read the heights of the btree indexes among `rows`, by OID; those that cannot be read are omitted."""
    btrees = [row for row in rows if row["method"] == "btree" and row["size_bytes"] is not None]
    # A metapage and one more: the root is a leaf.
    small = {row["oid"]: 0 for row in btrees if row["size_bytes"] <= 2 * server.block_size_bytes}
    large = [row for row in btrees if row["oid"] not in small]
    pageinspect = next((extension for extension in extensions if extension.name == "pageinspect"), None)
    if server.is_superuser and pageinspect is not None:
        seen = _from_metapages(reader, [row["oid"] for row in large], pageinspect.schema_name)
    else:
        seen = {}
    asked = [row for row in large if row["oid"] not in seen and row["is_valid"] and row["table_oid"] not in unreadable]
    planned = {row["oid"]: height for row in asked if (height := _from_plan(reader, row)) is not None}
    return small | seen | planned


def _from_metapages(reader: Reader, indexes: list[int], schema: str) -> dict[int, int]:
    try:
        rows = reader.rows("btree_heights", {"indexes": indexes}, schema=schema)
    except REFUSALS:
        return {}  # One index refused: the planner is asked for all of them instead.
    return {row["oid"]: row["height"] for row in rows}


def _from_plan(reader: Reader, row: DictRow) -> int | None:
    keys = [_sort_key(key, row["ddl"]) for key in row["keys"]]
    if any(key["operator"] is None for key in keys):
        return None
    # Another index in the same order may be cheaper under one price of table pages and not under the other.
    for seq_page_cost in (1000, 0):
        try:
            (answer,) = reader.rows_by_index(
                "explain_index",
                about=(QualifiedName(row["schema_name"], row["table_name"]),),
                seq_page_cost=seq_page_cost,
                schema=row["schema_name"],
                table=row["table_name"],
                predicate=row["predicate"],
                keys=keys,
                covered=[*(key["column"] for key in keys if key["column"] is not None), *row["include"]],
            )
        except REFUSALS:
            return None
        if (height := height_in(answer["QUERY PLAN"][0]["Plan"], row["name"])) is not None:
            return height
    return None


def _sort_key(key: dict[str, Any], ddl: str) -> dict[str, Any]:
    return {
        "column": key["column"],
        "raw": key["raw"],
        "collation": (key["collation_namespace"], key["collation"]) if collates(key, ddl) else None,
        "operator": key["sort_operator"],
        "nulls_first": bool(key["option"] & NULLS_FIRST),
    }


def height_in(plan: dict[str, Any], index: str) -> int | None:
    """Say the height of the index that a plan scans, if it is that index; cpu_operator_cost is 1 in it."""
    if plan["Node Type"] not in {"Index Scan", "Index Only Scan"} or plan["Index Name"] != index:
        return None
    # log2 of the rows stays below 50 for any table that fits PostgreSQL's 32 TB.
    return int(plan["Startup Cost"] // _OPERATORS_PER_PAGE) - 1
