"""Read what the planner knows of the pages of GIN indexes.

A superuser reads it from the metapages with pageinspect. Everybody else asks the planner: gincostestimate() in selfuncs.c
prices a bitmap scan by pending pages, entry pages, data pages and entries, so with one price set and the others zero its
costs are counts, and a few scans are as many equations as there are unknowns. Since 16 they have one solution; before,
the planner charges no operators and part of it stays a guess.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.indexes import collates
from analyzer.capture.reader import REFUSALS, Reader
from analyzer.capture.snapshot import Extension, GinPages, Server
from analyzer.sql import ident

#: Operator costs the planner charges for a page: DEFAULT_PAGE_CPU_MULTIPLIER in selfuncs.c.
_OPERATORS_PER_PAGE = 50
#: Conditions of the two scans for single entries: enough that hardly a row is expected, which would cost data pages.
_FEW, _MANY = 20, 40
#: Repetitions after which a scan has read every page once, and the price of a page that undoes the division by them.
_LOOPS = 1_000_000
#: More than ceil(log2(entries)) of any index.
_DEEPEST = 64
#: Constants that every row matches, for which gincostestimate() counts every entry (GIN_SEARCH_MODE_ALL), by operator
#: and type of the right-hand side; "[]" stands for any array.
_EVERYTHING = {
    ("@>", "[]"): "{}", ("@>", "jsonb"): "{}", ("?&", "[]"): "{}", ("@>", "hstore"): "",
    ("@@", "tsquery"): "!a", ("~~", "text"): "%",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    name: str
    sql: str
    #: Type of the right-hand side.
    type: str

    @property
    def everything(self) -> str | None:
        """Return a constant that every row matches, if one is known."""
        kind = "[]" if self.type.endswith("[]") else self.type.rpartition(".")[2]
        return _EVERYTHING.get((self.name, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A way to search an index: a key, operators for single entries, and one that asks for everything if there is one."""

    key: str
    operators: tuple[_Operator, ...]
    everything: _Operator | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What the planner answered: pages, and operators where it charges them."""

    few_pages: float
    few_operators: float
    many_pages: float
    many_operators: float
    #: Entry pages and data pages together.
    every_page: float
    #: The scan for every entry, where the operator class has one.
    full_pages: float | None
    full_operators: float | None


def read_gin_pages(
    reader: Reader,
    rows: Sequence[DictRow],
    *,
    server: Server,
    extensions: Sequence[Extension],
    unreadable: frozenset[int],
) -> dict[int, GinPages]:
    """Read the pages of the GIN indexes among `rows`, by oid; the ones nobody will tell are left out."""
    gins = [row for row in rows if row["method"] == "gin" and row["size_bytes"] is not None and row["is_valid"]]
    pages = {row["oid"]: row["size_bytes"] // server.block_size_bytes for row in gins}
    pageinspect = next((extension for extension in extensions if extension.name == "pageinspect"), None)
    seen: dict[int, GinPages] = {}
    if server.is_superuser and pageinspect is not None:
        seen = _from_metapages(reader, pages, pageinspect.schema_name)
    asked = [row for row in gins if row["oid"] not in seen and row["table_oid"] not in unreadable]
    operators = _read_operators(reader, [row["oid"] for row in asked])
    planned = {row["oid"]: _from_plans(reader, row, operators, pages[row["oid"]]) for row in asked}
    return seen | {oid: found for oid, found in planned.items() if found is not None}


def _from_metapages(reader: Reader, pages: dict[int, int], schema: str) -> dict[int, GinPages]:
    try:
        rows = reader.rows("gin_metapages", {"indexes": list(pages)}, schema=schema)
    except (*REFUSALS, psycopg.DataError):
        return {}  # One index refused: the planner is asked for all of them instead.
    return {row["oid"]: as_planned(row, pages[row["oid"]]) for row in rows}


def as_planned(metapage: DictRow, pages: int) -> GinPages:
    """Turn a metapage into the numbers the planner takes for an index of so many pages (gincostestimate())."""
    pending = metapage["pending_pages"] if metapage["pending_pages"] < pages else 0
    total = metapage["total_pages"]
    if not (total <= pages < 4 * total and metapage["entry_pages"] > 0 and metapage["entries"] > 0):
        return GinPages.invented(pages=pages, pending_pages=pending)
    scale = pages / total
    entry_pages = min(math.ceil(metapage["entry_pages"] * scale), pages - pending)
    return GinPages(
        pending_pages=pending,
        entry_pages=entry_pages,
        data_pages=min(math.ceil(metapage["data_pages"] * scale), pages - pending - entry_pages),
        entries=math.ceil(metapage["entries"] * scale),
    )


def _read_operators(reader: Reader, indexes: list[int]) -> dict[tuple[int, int], list[_Operator]]:
    found: dict[tuple[int, int], list[_Operator]] = {}
    for row in reader.rows("gin_operators", {"indexes": indexes}) if indexes else ():
        operator = _Operator(name=row["name"], sql=row["operator"], type=row["type"])
        found.setdefault((row["oid"], row["position"]), []).append(operator)
    return found


def _from_plans(
    reader: Reader, row: DictRow, operators: dict[tuple[int, int], list[_Operator]], pages: int
) -> GinPages | None:
    for search in _searches(row, operators):
        try:
            probes = _probe(reader, row, search)
        except (*REFUSALS, psycopg.ProgrammingError, psycopg.DataError):
            continue  # An operator or type that cannot be written this way; another one may do.
        if probes is not None:
            return solve(probes, pages=pages)
    return None


def _searches(row: DictRow, operators: dict[tuple[int, int], list[_Operator]]) -> Iterator[_Search]:
    """Yield ways to search an index, those that can ask for everything first."""
    for with_everything in (True, False):
        for position, key in enumerate(row["keys"], start=1):
            usable = [operator for operator in operators.get((row["oid"], position), []) if operator.name != "="]
            everything = [operator for operator in usable if operator.everything is not None]
            # Comparisons of one kind imply each other, and the planner takes the strictest alone for its estimate.
            ranges = tuple(operator for operator in usable if operator.name in {"<", ">"})
            for full in everything if with_everything else [None]:
                for choice in [ranges] if ranges else [(operator,) for operator in usable]:
                    yield _Search(key=_key_sql(key, row["ddl"]), operators=choice, everything=full)


def _key_sql(key: dict[str, Any], ddl: str) -> str:
    text = ident(key["column"]) if key["column"] is not None else key["raw"]
    if collates(key, ddl):
        return f"({text}) COLLATE {ident(key['collation_namespace'], key['collation'])}"
    return str(text)


def _probe(reader: Reader, row: DictRow, search: _Search) -> Probes | None:
    """Ask everything about one index; None as soon as the planner takes another one."""

    def asked(count: int, *, pages: int, operators: int, loops: int | None = None, full: bool = False) -> float | None:
        conditions = [search.operators[i % len(search.operators)] for i in range(count)]
        everything = search.everything if full else None
        (answer,) = reader.rows_by_bitmap(
            "explain_gin",
            page_cost=pages,
            operator_cost=operators,
            loops=loops,
            schema=row["schema_name"],
            table=row["table_name"],
            predicate=row["predicate"],
            key=search.key,
            conditions=[(operator.sql, operator.type) for operator in conditions],
            everything=everything
            and {"operator": everything.sql, "type": everything.type, "constant": everything.everything},
        )
        return scan_cost(answer["QUERY PLAN"][0]["Plan"], row["name"])

    few, many = asked(_FEW, pages=1, operators=0), asked(_MANY, pages=1, operators=0)
    every = asked(_FEW, pages=_LOOPS, operators=0, loops=_LOOPS) if few is not None else None
    few_operators, many_operators = asked(_FEW, pages=0, operators=1), asked(_MANY, pages=0, operators=1)
    full = full_operators = None
    if search.everything is not None:
        full = asked(_FEW, pages=1, operators=0, full=True)
        full_operators = asked(_FEW, pages=0, operators=1, full=True)
        if full is None or full_operators is None:
            return None
    if few is None or many is None or every is None or few_operators is None or many_operators is None:
        return None
    return Probes(
        few_pages=few,
        few_operators=few_operators,
        many_pages=many,
        many_operators=many_operators,
        every_page=every,
        full_pages=full,
        full_operators=full_operators,
    )


def scan_cost(plan: dict[str, Any], index: str) -> float | None:
    """Return the cost of the one bitmap index scan in a plan, if it is of that index."""
    nodes, scans = [plan], list[dict[str, Any]]()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if "Index Name" in node:
            scans.append(node)
    if len(scans) != 1 or scans[0]["Node Type"] != "Bitmap Index Scan" or scans[0]["Index Name"] != index:
        return None
    return float(scans[0]["Total Cost"])


def solve(probes: Probes, *, pages: int) -> GinPages | None:
    """Find the numbers from which the planner's arithmetic gives its answers; None when there are none.

    With n search entries, p pending pages and d levels, a scan reads p + n × d entry pages and at least one data page
    (d is rint(entry_pages ^ 0.15)). Its operators are 2 n × ceil(log2(entries)) + 50 n + n × conditions, 100 for an entry page and 50
    for a data page.
    """
    for descent in range(_DEEPEST):
        few = _entry_pages_read(probes.few_pages, probes.few_operators, _FEW, descent)
        many = _entry_pages_read(probes.many_pages, probes.many_operators, _MANY, descent)
        levels, rest = divmod(many - few, _MANY - _FEW)
        if rest == 0 and few.is_integer() and levels >= 1:
            pending = round(few - _FEW * levels)
            found = _with_entries(probes, pages=pages, pending=pending, levels=round(levels), descent=descent)
            return found if found is not None and found.pending_pages >= 0 else None
    return _without_operators(probes, pages=pages)


def _entry_pages_read(pages: float, operators: float, entries: int, descent: int) -> float:
    once = operators - _OPERATORS_PER_PAGE * pages - entries * (2 * descent + _OPERATORS_PER_PAGE + entries)
    return once / _OPERATORS_PER_PAGE


def _with_entries(probes: Probes, *, pages: int, pending: int, levels: int, descent: int) -> GinPages | None:
    if probes.full_pages is None or probes.full_operators is None:
        # Only the logarithm of the entries is known; the most it allows makes partial matches cheapest.
        entries = 2**descent
        per_few = probes.few_pages - pending - _FEW * levels
        data_pages = per_few * entries / _FEW if per_few > 1 else 0.1 * probes.every_page
        return _divided(probes.every_page, data_pages, pages=pages, pending=pending, levels=levels, entries=entries)
    an_entry = 2 * descent + _OPERATORS_PER_PAGE + _FEW + 1 + _OPERATORS_PER_PAGE * levels
    beyond_pages = probes.full_operators - _OPERATORS_PER_PAGE * (probes.full_pages + pending)
    entries, rest = divmod(beyond_pages, an_entry)
    if rest or entries < 1 or math.ceil(math.log2(entries)) != descent:
        return None
    data_pages = probes.full_pages - pending - entries * levels
    entry_pages = probes.every_page - data_pages
    if data_pages < 1 or entry_pages < 1 or round(entry_pages**0.15) != levels:
        return None
    return _found(pages, pending, entry_pages, data_pages, entries)


def _without_operators(probes: Probes, *, pages: int) -> GinPages | None:
    """Before 16 descents are free, and the split of the pages is the usual one as far as the levels allow it."""
    levels, of_data = divmod(probes.many_pages - probes.few_pages, _MANY - _FEW)
    pending = probes.few_pages - _FEW * levels - max(1, of_data)
    if levels < 1 or pending < 0:
        return None
    data_pages = 0.1 * probes.every_page
    entries = 100 * (probes.every_page - data_pages)
    if probes.full_pages is not None:
        entries = max(1, (probes.full_pages - pending - data_pages) // levels)
    return _divided(
        probes.every_page, data_pages, pages=pages, pending=round(pending), levels=round(levels), entries=entries
    )


def _divided(
    every_page: float, data_pages: float, *, pages: int, pending: int, levels: int, entries: float
) -> GinPages:
    """Divide the pages as asked, as far as the entry pages stay the ones for that many levels."""
    fewest, most = math.ceil((levels - 0.5) ** (1 / 0.15)), math.floor((levels + 0.5) ** (1 / 0.15))
    entry_pages = min(max(every_page - max(1, math.floor(data_pages)), fewest, 1), most)
    return _found(pages, pending, entry_pages, max(1, every_page - entry_pages), entries)


def _found(pages: int, pending: int, entry_pages: float, data_pages: float, entries: float) -> GinPages:
    found = GinPages(
        pending_pages=pending, entry_pages=round(entry_pages), data_pages=round(data_pages), entries=round(entries)
    )
    # One data page is the least a scan is charged for, even where the index has no room for it beside its metapage.
    no_room = pages - 1 - found.pending_pages - found.entry_pages < 1
    if data_pages > 1 or not no_room or found == GinPages.invented(pages=pages, pending_pages=pending):
        return found
    return found.model_copy(update={"data_pages": 0})
