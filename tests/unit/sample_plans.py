"""Plans as EXPLAIN (FORMAT JSON) prints them."""

from pydantic import JsonValue

Plan = dict[str, JsonValue]


def scan(
    relation: str, *, filter_: str, total: float, rows: int, alias: str | None = None, parallel: bool = False
) -> Plan:
    return {
        "Node Type": "Seq Scan",
        "Parent Relationship": "Outer",
        "Parallel Aware": parallel,
        "Async Capable": False,
        "Relation Name": relation,
        "Schema": "catalog",
        "Alias": alias or relation,
        "Startup Cost": 0.0,
        "Total Cost": total,
        "Plan Rows": rows,
        "Plan Width": 48,
        "Disabled": False,
        **({"Filter": filter_} if filter_ else {}),
    }


def index_scan(
    relation: str,
    index: str,
    *,
    condition: str,
    total: float,
    rows: int,
    alias: str | None = None,
    backward: bool = False,
    only: bool = False,
) -> Plan:
    return {
        "Node Type": "Index Only Scan" if only else "Index Scan",
        "Parent Relationship": "Outer",
        "Parallel Aware": False,
        "Scan Direction": "Backward" if backward else "Forward",
        "Index Name": index,
        "Relation Name": relation,
        "Schema": "catalog",
        "Alias": alias or relation,
        "Startup Cost": 0.43,
        "Total Cost": total,
        "Plan Rows": rows,
        "Plan Width": 48,
        "Disabled": False,
        **({"Index Cond": condition} if condition else {}),
    }


def bitmap(relation: str, index: str, *, condition: str, total: float, rows: int) -> Plan:
    return {
        "Node Type": "Bitmap Heap Scan",
        "Parent Relationship": "Outer",
        "Parallel Aware": False,
        "Relation Name": relation,
        "Schema": "catalog",
        "Alias": relation,
        "Startup Cost": round(total / 5, 2),
        "Total Cost": total,
        "Plan Rows": rows,
        "Plan Width": 42,
        "Recheck Cond": condition,
        "Plans": [
            {
                "Node Type": "Bitmap Index Scan",
                "Parent Relationship": "Outer",
                "Index Name": index,
                "Startup Cost": 0.0,
                "Total Cost": round(total / 5 - 0.04, 2),
                "Plan Rows": rows,
                "Plan Width": 0,
                "Index Cond": condition,
            }
        ],
    }


def over(kind: str, total: float, rows: int, *children: Plan, **more: JsonValue) -> Plan:
    return {
        "Node Type": kind,
        "Parallel Aware": False,
        "Async Capable": False,
        "Startup Cost": round(total * 0.97, 2),
        "Total Cost": total,
        "Plan Rows": rows,
        "Plan Width": 64,
        **{k.replace("_", " "): v for k, v in more.items()},
        "Plans": list(children),
    }


def explained(plan: Plan) -> JsonValue:
    return [{"Plan": plan}]
