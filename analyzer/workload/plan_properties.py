"""Read the properties that EXPLAIN prints in its text format, under the names of its other formats.

What the other formats spread over several properties stands in one line of the text format, in a grammar of its own.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from analyzer.postgres.identifiers import listed_names
from analyzer.postgres.lex import IncompleteError, tokens_of
from analyzer.workload.plan_tree import Properties

#: Their values are SQL or names, and stay text even if they look like numbers.
TEXTS = frozenset((
    "Alias", "CTE Name", "Cache Key", "Custom Plan Provider", "Filter", "Function Call", "Function Name", "Hash Cond",
    "Index Cond", "Index Name", "Join Filter", "Merge Cond", "One-Time Filter", "Order By", "Query Identifier",
    "Query Parameters", "Query Text", "Recheck Cond", "Relation Name", "Remote SQL", "Run Condition", "Schema",
    "Subplan Name", "TID Cond", "Table Function Call", "Table Function Name", "Trigger Name", "Constraint Name",
    "Tuplestore Name", "Window",
))  # fmt: skip
#: Expressions or names, separated by commas.
LISTS = frozenset((
    "Conflict Arbiter Indexes", "Group Key", "Output", "Params Evaluated", "Presorted Key", "Sort Key",
    "Sampling Parameters",
))  # fmt: skip
#: Several properties in one line begin with one of these.
_COMPOSITE = re.compile(
    r"(?:Sort Method|Full-sort Groups|Pre-sorted Groups|Buckets|Batches|Planned Partitions|Hits|Storage|Maximum Storage"
    r"|Memory Usage|Memory):"
)
_NEXT_PROPERTY = re.compile(r"(?<!\s)\s{2,}(?=[A-Z][\w -]{0,40}:\s)")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:e[+-]?\d{1,3})?")
_KNOWN = frozenset((
    "Cache Mode", "Heap Fetches", "Index Searches", "Inner Unique", "Rows Removed by Filter",
    "Rows Removed by Index Recheck", "Rows Removed by Join Filter", "Single Copy", "Subplans Removed",
    "Workers Launched", "Workers Planned",
))  # fmt: skip
_PAIR = re.compile(r"(\w+)=(-?[\d.]{1,40})")
_KILOBYTES = re.compile(r"(\d{1,18})\s?kB")
_ORIGINALLY = re.compile(r"(\d+) \(originally (\d+)\)")
_SETTING = re.compile(r"([A-Za-z_][\w.]*) = '((?:[^']|'')*)'")
_BLOCKS = {"hit": "Hit", "read": "Read", "dirtied": "Dirtied", "written": "Written"}
_MEMOIZE = {"Hits": "Cache Hits", "Misses": "Cache Misses", "Evictions": "Cache Evictions"}
_RENAMED = _MEMOIZE | {
    "Overflows": "Cache Overflows",
    "Memory Usage": "Peak Memory Usage",
    "Sampling": "Sampling Method",
}
_WAL = {"records": "Records", "fpi": "FPI", "bytes": "Bytes", "full": "Buffers Full"}
_TUPLES = ("inserted", "updated", "deleted", "skipped")


def typed(name: str, text: str) -> Any:
    """Return a value as EXPLAIN (FORMAT JSON) has it: a number, a truth value or text."""
    if name in TEXTS:
        return text
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text or "e" in text else int(text)
    return text


def read_property(node: Properties, line: str) -> bool:
    """Add what one line says to its node; says whether the line is a property at all."""
    if _COMPOSITE.match(line):
        parts = _NEXT_PROPERTY.split(line)
        if parts[0].startswith(("Full-sort Groups:", "Pre-sorted Groups:")):
            return _sort_groups(node, parts)
        return all(_single(node, part) for part in parts)
    return _single(node, line)


def _single(node: Properties, line: str) -> bool:
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _is_name(name):
        return False
    if read := _SPECIAL.get(name):
        read(node, value)
    elif name in ("Group Key", "Hash Key", "Sort Key") and "Strategy" in node:
        _grouping(node, name, value)
    elif name in LISTS:
        node[name] = elements(value)
    elif size := _KILOBYTES.fullmatch(value):
        node[_RENAMED.get(name, name)] = int(size[1])
    else:
        name = _RENAMED.get(name, name)
        node[name] = typed(name, value)
    return True


def _is_name(name: str) -> bool:
    """Say whether a property may have that name: each begins with a capital, and none has many words."""
    return len(name) <= 60 and name[:1].isupper() and re.fullmatch(r"[\w /().-]+", name) is not None


def is_known(line: str) -> bool:
    """Say whether a line is a property wherever it stands: prose may look like one."""
    name = line.partition(":")[0]
    return name in TEXTS or name in LISTS or name in _SPECIAL or name in _KNOWN or bool(_COMPOSITE.match(line))


def elements(text: str) -> list[str]:
    """Split a list of expressions at its commas, but not those in brackets or strings."""
    found, start, depth = list[str](), 0, 0
    try:
        for token in tokens_of(text):
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
            if token.text == "," and depth == 0:
                found.append(text[start : token.start].strip())
                start = token.end
    except IncompleteError:
        pass
    return [*found, text[start:].strip()]


def settings_of(text: str) -> dict[str, str]:
    """Read `name = 'value', …`."""
    return {name: value.replace("''", "'") for name, value in _SETTING.findall(text)}


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    for name, value in _PAIR.findall(text):
        yield name, typed("", value)


def _buffers(node: Properties, text: str) -> None:
    for part in text.split(","):
        kind, _, counts = part.strip().partition(" ")
        for name, value in _pairs(counts):
            if kind in ("shared", "local", "temp") and name in _BLOCKS:
                node[f"{kind.capitalize()} {_BLOCKS[name]} Blocks"] = value


def _timings(node: Properties, text: str) -> None:
    for part in text.split(","):
        words = part.strip().split(" ", 1)
        kind = "" if "=" in words[0] else words[0].capitalize()
        prefix = "" if kind in ("", "Shared/local") else f"{kind} "
        for name, value in _pairs(part):
            if name in ("read", "write"):
                node[f"{prefix}I/O {name.capitalize()} Time"] = value


def _wal(node: Properties, text: str) -> None:
    for name, value in _pairs(text):
        if name in _WAL:
            node[f"WAL {_WAL[name]}"] = value


def _heap_blocks(node: Properties, text: str) -> None:
    for name, value in _pairs(text):
        if name in ("exact", "lossy"):
            node[f"{name.capitalize()} Heap Blocks"] = value


def _tuples(node: Properties, text: str) -> None:
    counts = dict(_pairs(text))
    for name in _TUPLES:
        node[f"Tuples {name.capitalize()}"] = counts.get(name, 0)


def _sort_space(kind: str) -> Callable[[Properties, str], None]:
    def read(node: Properties, text: str) -> None:
        size = _KILOBYTES.search(text)
        if "Sort Method" in node and size:
            node["Sort Space Used"] = int(size[1])
            node["Sort Space Type"] = kind
        elif kind == "Memory":  # of the planner
            for name, value in re.findall(r"(\w+)=(\d{1,18})\s?kB", text):
                node[f"Memory {name.capitalize()}"] = int(value)

    return read


def _counted(name: str, original: str) -> Callable[[Properties, str], None]:
    def read(node: Properties, text: str) -> None:
        if node.get("Node Type") == "Aggregate":
            node["HashAgg Batches"] = typed(name, text)
            return
        changed = _ORIGINALLY.match(text)
        now, before = (changed[1], changed[2]) if changed else (text, text)
        node[name], node[original] = typed(name, now), typed(original, before)

    return read


def _sort_groups(node: Properties, parts: list[str]) -> bool:
    """Read `Full-sort Groups: 3  Sort Method: quicksort  Average Memory: 27kB  Peak Memory: 27kB`."""
    name, _, count = parts[0].partition(":")
    groups: Properties = {"Group Count": typed("", count.strip()), "Sort Methods Used": []}
    for part in parts[1:]:
        label, _, value = part.partition(":")
        if label in ("Sort Method", "Sort Methods"):
            groups["Sort Methods Used"] = [method.strip() for method in value.split(",")]
        elif size := _KILOBYTES.search(value):
            which, _, place = label.partition(" ")
            space = groups.setdefault(f"Sort Space {place}", {})
            space[f"{which} Sort Space Used"] = int(size[1])
    node[name] = groups
    return True


def _grouping(node: Properties, name: str, value: str) -> None:
    """Tell one list of keys from grouping sets, each of which is a line of its own."""
    keys = [] if value == "()" else elements(value)
    sets: list[Properties] = node.setdefault("Grouping Sets", [])
    several = "Group Keys" if name == "Group Key" else "Hash Keys"
    if name == "Sort Key":
        sets.append({"Sort Key": keys, "Group Keys": []})
    elif name == "Hash Key" or not sets or "Group Keys" not in sets[-1]:
        sets.append({several: [keys]})
    else:
        sets[-1][several].append(keys)


def settle_grouping(node: Properties) -> None:
    """Make one list of keys of what turned out not to be grouping sets."""
    sets: list[Properties] = node.get("Grouping Sets", [])
    if len(sets) == 1 and node.get("Strategy") != "Mixed":
        keys: list[list[str]] = sets[0].get("Group Keys", [])
        if len(keys) == 1 and keys[0]:
            del node["Grouping Sets"]
            node["Group Key"] = keys[0]


def _sampling(node: Properties, text: str) -> None:
    call = re.fullmatch(r"(\w+) \((.*?)\)(?: REPEATABLE \((.*)\))?", text)
    if call:
        node["Sampling Method"], node["Sampling Parameters"] = call[1], elements(call[2])
        if call[3] is not None:
            node["Repeatable Seed"] = call[3]


def _serialization(document: Properties, text: str) -> None:
    found: Properties = {}
    for name, value in re.findall(r"(\w+)=([\w.]{1,40})", text):
        title = {"time": "Time", "output": "Output Volume", "format": "Format"}.get(name)
        if title:
            found[title] = typed("", value.removesuffix("kB"))
    document["Serialization"] = found


def _words(name: str) -> Callable[[Properties, str], None]:
    """Read `Inlining false, Optimization false` and `Generation 0.1 ms (Deform 0.0 ms), Total 0.2 ms`."""

    def read(node: Properties, text: str) -> None:
        found: Properties = {}
        for word, value in re.findall(r"(\w+) ([\d.]{1,40}|true|false)", text):
            found[word] = typed("", value)
        if "Deform" in found:
            found["Generation"] = {"Deform": found.pop("Deform"), "Total": found.pop("Generation", None)}
        node[name] = found

    return read


_SPECIAL: dict[str, Callable[[Properties, str], None]] = {
    "Buffers": _buffers,
    "I/O Timings": _timings,
    "WAL": _wal,
    "Heap Blocks": _heap_blocks,
    "Tuples": _tuples,
    "Memory": _sort_space("Memory"),
    "Disk": _sort_space("Disk"),
    "Buckets": _counted("Hash Buckets", "Original Hash Buckets"),
    "Batches": _counted("Hash Batches", "Original Hash Batches"),
    "Sampling": _sampling,
    "Serialization": _serialization,
    "Settings": lambda document, text: document.__setitem__("Settings", settings_of(text)),
    "Conflict Arbiter Indexes": lambda node, text: node.__setitem__(
        "Conflict Arbiter Indexes", list(listed_names(text))
    ),
    "Options": _words("Options"),
    "Timing": _words("Timing"),
}
