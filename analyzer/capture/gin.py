"""Read the page counts of GIN indexes as the planner sees them.

A superuser reads it from the metapages with pageinspect. Everybody else asks the planner: gincostestimate() in
selfuncs.c prices a bitmap scan by pending pages, entry pages, data pages and entries, so with one price set and the
others zero its costs are counts, and a few scans are as many equations as there are unknowns. Since 16 they have one
solution; before, the planner charges no operators and part of it stays a guess.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow

from analyzer.capture.catalog import version_numbers
from analyzer.capture.indexes import collates
from analyzer.capture.reader import REFUSALS, Reader
from analyzer.documents.snapshot import Extension, GinPages, NotExamined, Server
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident

#: Operator costs the planner charges for a page: DEFAULT_PAGE_CPU_MULTIPLIER in selfuncs.c.
_OPERATORS_PER_PAGE = 50
#: Conditions of the two scans for single entries: enough that hardly a row is expected, which would cost data pages,
#: and so few that no other way to the rows is cheaper.
_FEW, _MANY = 6, 12
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
    """A way to search an index: a key, operators for single entries, and perhaps one that asks for everything."""

    key: str
    operators: tuple[_Operator, ...]
    everything: _Operator | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A scan to price: by how many conditions, at which prices, repeated how often, and whether for everything too."""

    conditions: int
    page_cost: int = 0
    operator_cost: int = 0
    loops: int | None = None
    full: bool = False


#: In the order of the fields of Probes.
_QUESTIONS = (
    _Question(conditions=_FEW, page_cost=1),
    _Question(conditions=_FEW, operator_cost=1),
    _Question(conditions=_MANY, page_cost=1),
    _Question(conditions=_MANY, operator_cost=1),
    _Question(conditions=_MANY, page_cost=_LOOPS, loops=_LOOPS),
    _Question(conditions=_FEW, page_cost=1, full=True),
    _Question(conditions=_FEW, operator_cost=1, full=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What the planner answered: pages, and operators where it charges them."""

    few_pages: int
    few_operators: int
    many_pages: int
    many_operators: int
    #: Entry pages and data pages together.
    every_page: int
    #: The scan for every entry, where the operator class has one.
    full_pages: int | None
    full_operators: int | None


def read_gin_pages(
    reader: Reader,
    rows: Sequence[DictRow],
    *,
    server: Server,
    extensions: Sequence[Extension],
    unreadable: frozenset[int],
) -> dict[int, GinPages]:
    """Read the page counts of the GIN indexes among `rows`, by OID; those that cannot be read are omitted."""
    gins = _gins(rows)
    pages = {row["oid"]: row["size_bytes"] // server.block_size_bytes for row in gins}
    pageinspect = next((extension for extension in extensions if extension.name == "pageinspect"), None)
    seen: dict[int, GinPages] = {}
    if server.is_superuser and pageinspect is not None:
        seen = _from_metapages(reader, pages, pageinspect)
    asked = [row for row in gins if row["oid"] not in seen and row["table_oid"] not in unreadable]
    operators = _read_operators(reader, [row["oid"] for row in asked])
    planned = {row["oid"]: _from_plans(reader, row, operators, pages[row["oid"]]) for row in asked}
    return seen | {oid: found for oid, found in planned.items() if found is not None}


def unknown_pages(
    rows: Sequence[DictRow], found: Mapping[int, GinPages], unreadable: frozenset[int]
) -> Iterator[NotExamined]:
    """Yield the GIN indexes among `rows` whose page counts nothing told; what is `unreadable` is named as a table."""
    reason = (
        "the planner shows them in no scan by its operators, so that costs of its scans are inexact; a superuser with "
        "pageinspect reads them"
    )
    for row in _gins(rows):
        if row["oid"] not in found and row["table_oid"] not in unreadable:
            yield NotExamined(what=f"page counts of index {ident(row['schema_name'], row['name'])}", reason=reason)


def _gins(rows: Sequence[DictRow]) -> list[DictRow]:
    return [row for row in rows if row["method"] == "gin" and row["size_bytes"] is not None and row["is_valid"]]


def _from_metapages(reader: Reader, pages: dict[int, int], pageinspect: Extension) -> dict[int, GinPages]:
    block_type = "pg_catalog.int8" if version_numbers(pageinspect) >= (1, 9) else "pg_catalog.int4"
    try:
        rows = reader.rows(
            "gin_metapages", {"indexes": list(pages)}, schema=pageinspect.schema_name, block_type=block_type
        )
    except REFUSALS:
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
        except REFUSALS:
            continue  # An operator or type that cannot be written this way; another one may do.
        if probes is not None:
            return solve(probes, pages=pages, major=reader.major)
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
    """Run all probes of one index; None where the planner chooses another one."""
    asked = [_asked(row, search, each) for each in _QUESTIONS if search.everything is not None or not each.full]
    table = QualifiedName(row["schema_name"], row["table_name"])
    answers: list[int] = []
    for (plan,) in reader.rows_by_bitmap("explain_gin", asked, about=table):
        if (answer := scan_cost(plan["QUERY PLAN"][0]["Plan"], row["name"])) is None:
            return None
        answers.append(answer)
    few_pages, few_operators, many_pages, many_operators, every_page, *full = answers
    return Probes(
        few_pages=few_pages,
        few_operators=few_operators,
        many_pages=many_pages,
        many_operators=many_operators,
        every_page=every_page,
        full_pages=full[0] if full else None,
        full_operators=full[1] if full else None,
    )


def _asked(row: DictRow, search: _Search, question: _Question) -> tuple[dict[str, object], dict[str, object]]:
    """Return the prices of a question, and what its statement is made with."""
    conditions = [search.operators[i % len(search.operators)] for i in range(question.conditions)]
    full = search.everything if question.full else None
    # Reading another partial index whole must not be cheaper. A scan for ranges is expected to return rows itself.
    tuple_cost = max(question.page_cost, question.operator_cost) if search.everything is not None else 0
    prices: dict[str, object] = {
        "page_cost": question.page_cost,
        "operator_cost": question.operator_cost,
        "tuple_cost": tuple_cost,
    }
    return prices, {
        "loops": question.loops,
        "schema": row["schema_name"],
        "table": row["table_name"],
        "predicate": row["predicate"],
        "key": search.key,
        "conditions": [(operator.sql, operator.type) for operator in conditions],
        "everything": {"operator": full.sql, "type": full.type, "constant": full.everything} if full else None,
    }


def scan_cost(plan: dict[str, Any], index: str) -> int | None:
    """Return the cost of the one bitmap index scan in a plan, if it is of that index."""
    nodes, scans = [plan], list[dict[str, Any]]()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if "Index Name" in node:
            scans.append(node)
    if len(scans) != 1 or scans[0]["Node Type"] != "Bitmap Index Scan" or scans[0]["Index Name"] != index:
        return None
    return round(scans[0]["Total Cost"])


def solve(probes: Probes, *, pages: int, major: int) -> GinPages | None:
    """Find the numbers from which the planner's arithmetic gives its answers; None if it has no such numbers.

    A scan for n entries reads p + n * l entry pages and at least one data page; p are the pending pages, and l is
    rint(entry_pages ^ 0.15). Its operators are 100 for an entry page, 50 for a data page, and for each of the n entries
    50, one for each condition, and 2 * ceil(log2(entries)).
    """
    if major < 16:
        return _without_operators(probes, pages=pages)
    for descent in range(_DEEPEST):
        few = _entry_pages_read(probes.few_pages, probes.few_operators, _FEW, descent)
        many = _entry_pages_read(probes.many_pages, probes.many_operators, _MANY, descent)
        levels, rest = divmod(many - few, _OPERATORS_PER_PAGE * (_MANY - _FEW))
        pending, part = divmod(few - _OPERATORS_PER_PAGE * _FEW * levels, _OPERATORS_PER_PAGE)
        if rest == part == 0 and levels >= 1 and pending >= 0:
            found = _with_entries(probes, pages=pages, pending=pending, levels=levels, descent=descent)
            if found is not None:
                return found
    return None


def _entry_pages_read(pages: int, operators: int, entries: int, descent: int) -> int:
    """Return them in operators, which are no whole pages where `descent` is wrong (or 25 off, with another level)."""
    return operators - _OPERATORS_PER_PAGE * pages - entries * (2 * descent + _OPERATORS_PER_PAGE + entries)


def _with_entries(probes: Probes, *, pages: int, pending: int, levels: int, descent: int) -> GinPages | None:
    if probes.full_pages is None or probes.full_operators is None:
        return _with_logarithm(probes, pages=pages, pending=pending, levels=levels, descent=descent)
    an_entry = 2 * descent + _OPERATORS_PER_PAGE + _FEW + 1 + _OPERATORS_PER_PAGE * levels
    of_entries = probes.full_operators - _OPERATORS_PER_PAGE * (probes.full_pages + pending)
    entries, rest = divmod(of_entries, an_entry)
    # The logarithm of a power of two may be rounded up, so that the next integer is charged.
    if rest or entries < 1 or descent not in {(entries - 1).bit_length(), entries.bit_length()}:
        return None
    data_pages = probes.full_pages - pending - entries * levels
    entry_pages = probes.every_page - data_pages
    if data_pages < 1 or entry_pages < 1 or round(entry_pages**0.15) != levels:
        return None
    return _found(pages, pending, entry_pages, data_pages, entries)


def _with_logarithm(probes: Probes, *, pages: int, pending: int, levels: int, descent: int) -> GinPages | None:
    """Choose where only the logarithm of the entries is known; a power of two would be at the mercy of its rounding."""
    entries = 3 * 2**descent // 4 if descent > 1 else 2**descent
    if _fewest_pages(levels) > 2 * entries:
        return None  # More pages than entries.
    growth = probes.many_pages - probes.few_pages - (_MANY - _FEW) * levels
    data_pages = growth * entries // (_MANY - _FEW) if growth > 0 else min(probes.every_page // 10, entries // _MANY)
    return _divided(probes.every_page, data_pages, pages=pages, pending=pending, levels=levels, entries=entries)


def _without_operators(probes: Probes, *, pages: int) -> GinPages | None:
    """Before 16 descents are free, and the pages are divided as the planner would, as far as the levels allow it."""
    levels, of_data = divmod(probes.many_pages - probes.few_pages, _MANY - _FEW)
    pending = probes.few_pages - _FEW * levels - max(1, of_data)
    if levels < 1 or pending < 0:
        return None
    data_pages, entries = probes.every_page // 10, 90 * probes.every_page
    if probes.full_pages is not None:
        # Twelve entries were not charged for a second data page.
        data_pages = min(data_pages, (probes.full_pages - pending) // levels // _MANY)
        entries = max(1, (probes.full_pages - pending - data_pages) // levels)
    return _divided(probes.every_page, data_pages, pages=pages, pending=pending, levels=levels, entries=entries)


def _divided(every_page: int, data_pages: int, *, pages: int, pending: int, levels: int, entries: int) -> GinPages:
    """Divide the pages as asked, as far as the entry pages stay the ones for that many levels."""
    most = _fewest_pages(levels + 1) - 1
    entry_pages = min(max(every_page - max(1, data_pages), _fewest_pages(levels)), most)
    return _found(pages, pending, entry_pages, max(1, every_page - entry_pages), entries)


def _fewest_pages(levels: int) -> int:
    return max(1, math.ceil((levels - 0.5) ** (1 / 0.15)))


def _found(pages: int, pending: int, entry_pages: int, data_pages: int, entries: int) -> GinPages:
    found = GinPages(pending_pages=pending, entry_pages=entry_pages, data_pages=data_pages, entries=entries)
    # One data page is the least a scan is charged for, even where the index has no room for it beside its metapage.
    no_room = pages - 1 - pending - entry_pages < 1
    if data_pages > 1 or not no_room or found == GinPages.invented(pages=pages, pending_pages=pending):
        return found
    return found.model_copy(update={"data_pages": 0})
