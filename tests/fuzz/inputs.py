"""Spoil what is well-formed: values by values that break things, parts by other parts, bytes by bytes."""

import copy
import gzip
import json
import random
from collections.abc import Callable
from typing import Any, cast

from tests.fuzz.seeds import STATEMENTS, shop, specs

#: What numbers, texts and parts are replaced by.
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**32, 2**63, -(2**63), 10**15, 10**40, 1e308, -0.0, float("nan"), float("inf"),
    float("-inf"), "", "x", "\0", "\ud800", "\U0001f600", "a" * 64, "'; DROP TABLE x; --", "\x1b[31m\n::error::",
    "{" * 300, "${7*7}", "{{ 7 }}", "../../etc/passwd", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00",
    "2026-01-01T00:00:00", [], {}, [[]], [None], {"x": 1}, ["public", "part"], "public", "part", "id", "SELECT 1",
)  # fmt: skip
_OPENERS = (
    ("(", ")"), ("ARRAY[", "]"), ("CASE WHEN true THEN ", " END"), ("lower(", ")"), ("NOT ", ""), ("- ", ""),
    ("(SELECT ", ")"), ("date(", ")"), ("CAST(", " AS integer)"), ("EXISTS (SELECT 1 WHERE ", ")"), ("a IN (", ")"),
    ("numeric(", ")"), ("ROW(", ")"), ("$1::numeric[", "]"), ("COALESCE(", ", 1)"), ("interval ", ""),
)  # fmt: skip
_CHAINS = (
    " OR a = 1", " AND a = 1", " + 1", " || 'x'", " UNION ALL SELECT id FROM part", ", id", "::integer", "[1]",
    " -> 'a'", " = 1", ".a", " JOIN maker USING (id)", " JOIN maker m ON true", " NATURAL JOIN part", " IS NOT NULL",
    ' COLLATE "C"', " BETWEEN 1 AND 2", ", maker", " LIKE 'a'", ";", " AT TIME ZONE 'x'", "/*", "$a$", "+", '"', "'",
    " INTERSECT SELECT 1", ", (SELECT * FROM busy) b", " WHEN 1 THEN 2",
)  # fmt: skip


def snapshot(rnd: random.Random) -> bytes:
    """Make a spoilt snapshot file."""
    document: Any = json.loads(shop().model_dump_json())
    for _ in range(rnd.choice((1, 1, 2, 5))):
        _spoil(document, rnd)
    if rnd.random() < 0.2:  # whatever became of the list
        document["statements"] = [json.loads(shop().statements[0].model_dump_json())]
        document["statements"][0]["query"] = statements(rnd).decode("utf-8", "replace")
    text = json.dumps(document, ensure_ascii=rnd.random() < 0.9).encode("utf-8", "surrogatepass")
    if rnd.random() < 0.15:
        text = _spoilt_bytes(text, rnd)
    data = gzip.compress(text, compresslevel=1, mtime=0)
    return _spoilt_bytes(data, rnd) if rnd.random() < 0.1 else data


def _spoil(part: Any, rnd: random.Random) -> None:
    """Change one place of a document."""
    while True:
        places: list[Any] = list(part) if isinstance(part, dict) else list(range(len(part)))  # pyright: ignore[reportUnknownArgumentType]
        if not places:
            return
        place = rnd.choice(places)
        value = cast("Any", part[place])
        if not isinstance(value, dict | list) or not value or rnd.random() < 0.1:
            break
        part = cast("Any", value)
    _spoil_place(part, place, rnd)


def _spoil_place(part: Any, place: Any, rnd: random.Random) -> None:
    value: Any = part[place]
    is_list = bool(isinstance(part, list))
    choice = rnd.randrange(6)
    if choice == 0:
        del part[place]
    elif choice == 1 and is_list:
        part.extend([value] * rnd.choice((1, 2, 2000)))
    elif choice == 2 and not is_list:
        part[rnd.choice(("x", "name", "\n", "size_bytes"))] = copy.deepcopy(rnd.choice(_VALUES))
    elif choice == 3 and isinstance(value, str):
        part[place] = rnd.choice((value * 1000, value[::-1], value + "\0", statement(rnd)))
    elif choice == 4 and isinstance(value, int | float):
        part[place] = value * rnd.choice((-1, 10**6, 10**12, 0.5))
    else:
        part[place] = copy.deepcopy(rnd.choice(_VALUES))


def statement(rnd: random.Random) -> str:
    """Make one statement, spoilt by long chains, deep nesting and shuffled words."""
    text = rnd.choice(STATEMENTS)
    words = [str(word) for word in text.split(" ")]
    for _ in range(rnd.choice((0, 1, 2, 4))):
        place, count = rnd.randrange(len(words)), rnd.choice((1, 5, 30, 150, 3000))
        match rnd.randrange(5):
            case 0:
                before, after = rnd.choice(_OPENERS)
                words[place] = before * count + words[place] + after * rnd.choice((count, count, count - 1))
            case 1:
                words[place] += rnd.choice(_CHAINS) * count
            case 2:
                other = rnd.randrange(len(words))
                words[place], words[other] = words[other], words[place]
            case 3:
                words[place] = rnd.choice(STATEMENTS)
            case _:
                words[place] = rnd.choice(words) + rnd.choice("()[]',.;\"$\\\0*:=\u00e9\u0661")
    return " ".join(words)


def statements(rnd: random.Random) -> bytes:
    """Make a file of statements."""
    data = ";\n".join(statement(rnd) for _ in range(rnd.choice((1, 3)))).encode()
    return _spoilt_bytes(data, rnd) if rnd.random() < 0.1 else data


def spec(rnd: random.Random) -> bytes:
    """Make a spoilt spec file."""
    lines: list[str] = rnd.choice(specs()).decode().split("\n")
    for _ in range(rnd.choice((1, 2, 5))):
        place = rnd.randrange(len(lines))
        match rnd.randrange(5):
            case 0:
                lines[place] = lines[place].replace(":", rnd.choice((": [", ": {", ":", ": &a [*a]", ": !!python/x ")))
            case 1:
                lines.insert(place, rnd.choice(lines))
            case 2:
                value = rnd.choice((*map(repr, _VALUES), "&a " * 3, "[" * 500, "{a: " * 500, "2026-13-45", "1" * 5000))
                lines[place] = lines[place].partition(":")[0] + ": " + value.encode("utf-8", "replace").decode()
            case 3:
                lines[place] = " " * rnd.randrange(8) + lines[place].strip()
            case _:
                lines[place] += rnd.choice(("#", "'", '"', "|", ">", "\t", "%", "x" * 100_000))
    data = "\n".join(lines).encode()
    return _spoilt_bytes(data, rnd) if rnd.random() < 0.3 else data


def _spoilt_bytes(data: bytes, rnd: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rnd.choice((1, 3, 10))):
        place = rnd.randrange(len(spoilt)) if spoilt else 0
        match rnd.randrange(4):
            case 0:
                spoilt[place : place + 1] = bytes([rnd.randrange(256)])
            case 1:
                del spoilt[place : place + rnd.choice((1, 10, 1000))]
            case 2:
                spoilt[place:place] = spoilt[place : place + rnd.choice((1, 100))] * rnd.choice((1, 50))
            case _:
                spoilt[place:place] = rnd.choice((b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 1000, b'"', b"1e999"))
    return bytes(spoilt)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "snapshot": snapshot,
    "statements": statements,
    "spec": spec,
}
