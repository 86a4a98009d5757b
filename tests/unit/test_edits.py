"""A fix as edits: the file says what it should, and every other byte stays."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.specs.edits import apply_edits, edits_of
from analyzer.specs.yaml_tree import Part, parse_tree

BLOCK = """\
table: a.b
indexes:
  # first
  - name: ix_a   # one
    method: hash
    keys: [a,   b]  # two
  - keys:
      - a
      - column: b
        order: desc
    name: ix_b

  - {name: ix_c, keys: [a], unique: true}   # three
  - method: gin
    name: ix_d
    keys: [a]"""


def items(text: str) -> tuple[Part, ...]:
    root, _ = parse_tree(text)
    assert root is not None
    pair = root.pair("indexes")
    assert pair is not None
    return pair[1].items


def entries(text: str) -> list[dict[str, Any]]:
    value: Any = parse_tree(text)[1]
    return value["indexes"]


def edited(text: str, number: int, changed: dict[str, Any]) -> str:
    return apply_edits(text, edits_of(text, items(text)[number], changed))


@pytest.mark.parametrize(
    ("number", "changed", "line", "expected"),
    [
        (0, {"method": None}, 5, "    keys: [a,   b]  # two"),
        (0, {"keys": ["c"]}, 6, "    keys: [c]  # two"),
        (0, {"unique": True}, 7, "    unique: true"),
        (1, {"keys": [{"column": "b"}]}, 7, "  - keys: [{column: b}]"),
        (1, {"keys": None}, 7, "  - name: ix_b"),
        (2, {"unique": None, "keys": ["a", "b"]}, 13, "  - {name: ix_c, keys: [a, b]}   # three"),
        (
            2,
            {"with": {"fillfactor": 70}},
            13,
            "  - {name: ix_c, keys: [a], unique: true, with: {fillfactor: 70}}   # three",
        ),
        (2, {"name": None}, 13, "  - {keys: [a], unique: true}   # three"),
        (3, {"method": None}, 14, "  - name: ix_d"),
        (3, {"where": "x # Q"}, 17, "    where: 'x # Q'"),
    ],
)
def test_one_key_is_changed_and_nothing_else(number: int, changed: dict[str, Any], line: int, expected: str) -> None:
    text = edited(BLOCK, number, changed)
    assert text.splitlines()[line - 1] == expected
    wanted = entries(BLOCK)
    wanted[number] = {name: value for name, value in {**wanted[number], **changed}.items() if value is not None}
    assert entries(text) == wanted
    kept = [each for each in text.splitlines() if each in BLOCK.splitlines()]
    assert "  # first" in kept


def test_line_ends_stay_as_they_are() -> None:
    text = edited(BLOCK.replace("\n", "\r\n"), 0, {"unique": True, "method": None})
    assert text.count("\r\n") == text.count("\n")
    assert entries(text)[0] == {"name": "ix_a", "keys": ["a", "b"], "unique": True}


def test_a_layout_that_cannot_be_edited_gives_nothing() -> None:
    odd = "table: a.b\nindexes:\n  - name: ix_a\n    ? keys\n    : [a]\n"
    assert edits_of(odd, items(odd)[0], {"keys": ["b"]}) == ()


NAMES = ("method", "keys", "unique", "with", "where")


@given(
    before=st.lists(st.sampled_from(NAMES), unique=True),
    changed=st.dictionaries(
        st.sampled_from(NAMES), st.none() | st.text(max_size=9) | st.lists(st.integers(), max_size=2), min_size=1
    ),
    flow=st.booleans(),
)
def test_any_change_is_made_or_refused(before: list[str], changed: dict[str, Any], *, flow: bool) -> None:
    pairs = ["name: ix", *(f"{name}: x" for name in before)]
    entry = f"{{{', '.join(pairs)}}}" if flow else "\n    ".join(pairs)
    text = f"table: a.b\nindexes:\n  - {entry}\n  - name: other\n"
    edits = edits_of(text, items(text)[0], changed)
    if edits:
        (first, second) = entries(apply_edits(text, edits))
        old = entries(text)[0]
        assert first == {name: value for name, value in {**old, **changed}.items() if value is not None}
        assert second == {"name": "other"}
