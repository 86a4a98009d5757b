"""Derive statements from a plan without a text: one for what its inner joins connect, with the conditions it prints.

Where the plan has anything else (an aggregate, an outer join, a subquery) a block ends, and others begin below. What a
condition takes from outside its block becomes a parameter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import ident, render_text
from analyzer.workload.plan_tree import PlanNode, children, inputs, number

_SCANS = frozenset({
    "Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Sample Scan", "Tid Scan", "Tid Range Scan",
})  # fmt: skip
_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_SORTS = frozenset({"Sort", "Incremental Sort"})
#: They hand on the rows of their one child.
_TRANSPARENT = frozenset({"Gather", "Gather Merge", "Hash", "LockRows", "Materialize", "Memoize", "Result", *_SORTS})
_APPENDS = frozenset({"Append", "Merge Append"})
#: What the server appends to the alias of a partitioned table for each partition.
_NUMBERED = re.compile(r"(?<=.)_\d+\Z")
_SCAN_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")
_JOIN_CONDITIONS = ("Hash Cond", "Merge Cond", "Join Filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A statement that stands for a part of a plan."""

    #: Such as `the join of public.orders and public.customer`.
    what: str
    text: str
    #: Of its tables.
    schemas: tuple[str, ...]
    #: How often the part was executed, and how long that took in total; None without ANALYZE.
    executions: float
    total_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    relation: Relation
    alias: str
    #: In the plan: partitions under an Append have aliases of their own.
    alias_in_plan: str
    #: All that is read of it is in an index.
    index_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    """What stands above a block: an order and a limit of its rows."""

    order: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    text: str
    #: A scan names its own columns without its alias.
    scan: _Scan | None = None


@dataclass(slots=True)
class _Draft:
    scans: list[_Scan] = field(default_factory=list[_Scan])
    conditions: list[_Condition] = field(default_factory=list[_Condition])


class Derivation:
    """Derives the blocks of one plan; `missing` names the relations that the snapshot lacks."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.missing: dict[str, str] = {}

    def blocks(self, tree: PlanNode) -> Iterator[Block]:
        """Yield the blocks that have a condition or an order."""
        pending: list[tuple[PlanNode, _Tail]] = [(tree, _Tail())]
        while pending:
            node, tail = pending.pop()
            kind, below = node["Node Type"], inputs(node)
            if kind == "Limit" and len(below) == 1:
                # The plan does not name the limit itself; it is at least what was expected, and what was returned.
                rows = max(number(node, "Plan Rows") or 1, number(node, "Actual Rows") or 1)
                pending += _apart(node)
                pending.append((below[0], replace(tail, limit=int(rows))))
            elif kind in _TRANSPARENT and len(below) == 1:
                order = tail.order or (_texts(node, "Sort Key") if kind in _SORTS else ())
                pending += _apart(node)
                pending.append((below[0], replace(tail, order=order)))
            elif self._begins(node):
                if kind == "Merge Append":
                    tail = replace(tail, order=tail.order or _texts(node, "Sort Key"))
                draft = _Draft()
                pending += [(each, _Tail()) for each in self._flatten(node, draft)]
                if draft.scans and (block := _block(draft, tail, node)):
                    yield block
            else:
                pending += [(each, _Tail()) for each in children(node)]

    def _begins(self, node: PlanNode) -> bool:
        """Say whether a node can stand in a block, and not just above one."""
        kind, below = node["Node Type"], inputs(node)
        if kind in _JOINS:
            return node.get("Join Type") == "Inner" and len(below) == 2
        return kind in _SCANS or (kind in _APPENDS and self._is_partitioned(below))

    def _flatten(self, top: PlanNode, draft: _Draft) -> Iterator[PlanNode]:
        """Add what a node joins to a block; yield the nodes below that do not belong to it."""
        inside = [top]
        while inside:
            node = inside.pop()
            kind, below = node["Node Type"], inputs(node)
            if kind in _TRANSPARENT and len(below) == 1:
                inside.append(below[0])
            elif not self._begins(node):
                yield node
                continue
            elif kind in _JOINS:
                draft.conditions += [_Condition(text=each) for each in _conditions(node, _JOIN_CONDITIONS)]
                inside += reversed(below)
            else:
                self._scan(below[0] if kind in _APPENDS else node, draft, is_member=kind in _APPENDS)
            yield from (each for each in children(node) if "Subplan Name" in each)

    def _scan(self, node: PlanNode, draft: _Draft, *, is_member: bool) -> None:
        relation = self._relation(node)
        if relation is None:
            return
        named = node.get("Alias")
        alias = named if isinstance(named, str) and named else relation.name
        # A partition that is left alone has the alias of its table.
        is_partition = is_member or alias != relation.name
        scan = _Scan(
            relation=self._root(relation) if is_partition else relation,
            alias=_NUMBERED.sub("", alias) if is_member else alias,
            alias_in_plan=alias,
            index_only=node["Node Type"] == "Index Only Scan",
        )
        if any(each.alias == scan.alias for each in draft.scans):
            return
        draft.scans.append(scan)
        draft.conditions += [_Condition(text=each, scan=scan) for each in _conditions(node, _SCAN_CONDITIONS)]
        index = self._catalog.index(relation.schema_name, str(node.get("Index Name")))
        if node["Node Type"] != "Bitmap Heap Scan" and index is not None and index.definition.where is not None:
            # It is implied, and so not in the plan.
            draft.conditions.append(_Condition(text=f"({index.definition.where})", scan=scan))

    def _is_partitioned(self, members: Sequence[PlanNode]) -> bool:
        """Say whether an Append reads the partitions of one table."""
        relations = [self._relation(each) if each["Node Type"] in _SCANS else None for each in members]
        roots = {None if each is None else self._root(each).full_name for each in relations}
        return len(roots) == 1 and None not in roots and all(each and self._root(each) != each for each in relations)

    def _root(self, relation: Relation) -> Relation:
        """Return the partitioned table that a partition belongs to at last."""
        for _ in range(len(self._catalog.relations)):
            parent = next((self._catalog.find(*each) for each in relation.parents), None)
            if parent is None or parent.kind != "p":
                break
            relation = parent
        return relation

    def _relation(self, node: PlanNode) -> Relation | None:
        """Return the relation of a scan: without VERBOSE a plan does not name its schema."""
        name, schema = node.get("Relation Name"), node.get("Schema")
        if not isinstance(name, str):
            return None
        found = self._catalog.find(schema if isinstance(schema, str) else None, name)
        if found is None and not isinstance(schema, str):
            named = [each for each in self._catalog.snapshot.relations if each.name == name]
            indexed = [each for each in named if self._catalog.index(each.schema_name, str(node.get("Index Name")))]
            found = named[0] if len(named) == 1 else indexed[0] if len(indexed) == 1 else None
            if found is None and named:
                schemas = ", ".join(sorted(each.schema_name for each in named))
                self.missing[name] = f"several schemas have a table of this name ({schemas}); use EXPLAIN (VERBOSE)"
        if found is None:
            self.missing.setdefault(name, "the snapshot has no table of this name")
        return found if found is None or found.kind in ("r", "p", "m") else None


def _apart(node: PlanNode) -> list[tuple[PlanNode, _Tail]]:
    """Return the InitPlans and SubPlans of a node."""
    return [(each, _Tail()) for each in children(node) if "Subplan Name" in each]


def _texts(node: PlanNode, name: str) -> tuple[str, ...]:
    value = node.get(name)
    return tuple(map(str, cast("list[Any]", value))) if isinstance(value, list) else ()


def _conditions(node: PlanNode, names: Sequence[str]) -> list[str]:
    found = [node[name] for name in names if isinstance(node.get(name), str)]
    return [part for condition in found for part in conjuncts(condition)]


def conjuncts(condition: str) -> list[str]:
    """Split a condition at its ANDs, as far as it can be read; each part stands in its own brackets."""
    try:
        tokens = significant(lex(condition))
    except IncompleteError:
        return []
    inner = tokens[1:-1] if _is_bracketed(tokens) else tokens
    parts, start, depth = list[tuple[Token, ...]](), 0, 0
    for place, token in enumerate(inner):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0 and token.word == "and":
            parts.append(inner[start:place])
            start = place + 1
    parts.append(inner[start:])
    if len(parts) == 1 or not all(map(_is_bracketed, parts)):  # BETWEEN has an AND of its own
        return [condition]
    return [condition[part[0].start : part[-1].end] for part in parts]


def _is_bracketed(tokens: Sequence[Token]) -> bool:
    """Say whether one pair of brackets stands around everything; a column alone needs none."""
    if len(tokens) == 1:
        return True
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return bool(tokens) and tokens[0].text == "(" and place == len(tokens) - 1
    return False


def _block(draft: _Draft, tail: _Tail, node: PlanNode) -> Block | None:
    """Write the statement of a block; None if nothing is filtered, joined or ordered in it."""
    names = _Names(draft.scans)
    conditions = list(dict.fromkeys(kept for each in draft.conditions if (kept := names.within(each))))
    order = [names.of_block(each) for each in tail.order]
    if None in order:  # and then the limit is not one of these rows
        order, tail = [], _Tail()
    if not conditions and not order:
        return None
    scans = [((each.relation.schema_name, each.relation.name), each.alias) for each in draft.scans]
    outputs = _outputs(draft.scans, node, names)
    text = render_text(
        "advise/plan_block", outputs=outputs, scans=scans, conditions=conditions, order=order, limit=tail.limit
    )
    tables = [ident(*relation) for relation, _ in scans]
    loops, last = number(node, "Actual Loops"), number(node, "Actual Total Time")
    return Block(
        what=f"the scan of {tables[0]}"
        if len(tables) == 1
        else f"the join of {', '.join(tables[:-1])} and {tables[-1]}",
        text=text,
        schemas=tuple(dict.fromkeys(each.relation.schema_name for each in draft.scans)),
        executions=max(loops or 1.0, 1.0),
        total_ms=None if loops is None or last is None else loops * last,
    )


def _outputs(scans: Sequence[_Scan], node: PlanNode, names: "_Names") -> list[str]:
    """Return what the block puts out: what VERBOSE lists, else whole rows.

    A row as one value cannot come from an index; `*` would let an index on all columns seem worthwhile.
    """
    listed = [names.of_block(each) for each in _texts(node, "Output")]
    if listed and None not in listed:
        return [each for each in listed if each is not None]
    columns = {column.name for each in scans for column in each.relation.columns}
    rows = [
        ident(each.alias) if each.alias not in columns else f"{ident(each.alias)}.*"
        for each in scans
        if not each.index_only
    ]
    return rows or ["1"]


class _Names:
    """Writes conditions for a block: with aliases where it joins, with parameters for what is outside of it."""

    def __init__(self, scans: Sequence[_Scan]) -> None:
        self._aliases = {name: each.alias for each in scans for name in (each.alias_in_plan, each.alias)}
        self._joins = len(scans) > 1
        self._numbers: dict[str, int] = {}

    def of_block(self, expression: str) -> str | None:
        """Return an expression over the block; None if it takes anything from outside."""
        known = len(self._numbers)
        text = self.within(_Condition(text=expression))
        return text if len(self._numbers) == known and (text is None or "$" not in text) else None

    def within(self, condition: _Condition) -> str | None:
        """Return a condition as it stands in the block; None if it cannot stand there."""
        try:
            tokens = significant(lex(condition.text))
        except IncompleteError:
            return None
        if any(token.text in {";", "SubPlan"} for token in tokens) or not _closes(tokens):
            return None
        own = condition.scan if self._joins else None
        columns = frozenset(column.name for column in own.relation.columns) if own else frozenset[str]()
        written, position, place = list[str](), 0, 0
        while place < len(tokens):
            taken, token = self._outside(tokens, place), tokens[place]
            instead = None
            if taken:
                outside = condition.text[token.start : tokens[place + taken - 1].end]
                instead = f"${self._numbers.setdefault(outside, len(self._numbers) + 1)}"
            elif token.name in self._aliases and [each.text for each in tokens[place + 1 : place + 2]] == ["."]:
                instead = ident(self._aliases[token.name])
            elif own is not None and token.name in columns and _is_column(tokens, place):
                instead = f"{ident(own.alias)}.{token.text}"
            place += taken or 1
            if instead is not None:
                written += [condition.text[position : token.start], instead]
                position = tokens[place - 1].end
        return "".join([*written, condition.text[position:]])

    def _outside(self, tokens: Sequence[Token], place: int) -> int:
        """Return how many tokens from a place on name something outside: `$0`, `(InitPlan 1).col1`, `other.column`."""
        token, ahead = tokens[place], [each.text for each in tokens[place : place + 6]]
        if token.kind == "parameter":
            return 1
        if ahead[:2] == ["(", "InitPlan"] and ahead[3:5] == [")", "."]:
            return 6
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 3].text if place + 3 < len(tokens) else ""
        is_column = token.name and ahead[1:2] == ["."] and before not in (".", "::") and after not in ("(", ".")
        is_named = len(ahead) > 2 and tokens[place + 2].kind in ("word", "quoted")
        return 3 if is_column and is_named and token.name not in self._aliases and not _is_type(tokens, place) else 0


def _is_column(tokens: Sequence[Token], place: int) -> bool:
    """Say whether a name stands where a column can, and not as one of a function, a type or a field of EXTRACT."""
    before = tokens[place - 1] if place else None
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    if after is not None and (after.text in ("(", ".") or after.word == "from"):
        return False
    if before is None:
        return True
    # `timestamp with time zone`, `character varying`
    return before.text not in (".", "::") and before.word not in ("time", "character", "bit", "collate")


def _is_type(tokens: Sequence[Token], place: int) -> bool:
    """Say whether a qualified name is one of a type, a collation or an operator."""
    before = tokens[place - 1].word if place else ""
    opening = tokens[place - 2].word if place > 1 and tokens[place - 1].text == "(" else ""
    return before in ("collate", "as") or opening == "operator"


def _closes(tokens: Sequence[Token]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth < 0:
            return False
    return depth == 0
