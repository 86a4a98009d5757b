"""Strings within strings, of a statement or a function, are read so far and no further."""

import pytest

from analyzer.twin.schema.named import mentions
from analyzer.workload.json_keys import JsonKeys
from analyzer.workload.nested import nested_times
from analyzer.workload.parse import parse_statements
from tests.unit.test_parse import recorded, snapshot


def nested(text: str, levels: int) -> str:
    for level in range(levels):
        text = f"$a{level}$ {text} $a{level}$"
    return text


@pytest.mark.parametrize("levels", [0, 1, 19, 20, 21, 5000])
def test_a_name_is_found_at_any_level(levels: int) -> None:
    assert "orders" in {mention.name for mention in mentions(nested("SELECT Orders", levels))}


def test_many_levels_end() -> None:
    statement = nested("SELECT 1", 5000)
    top = recorded(f"DO {statement}")
    inner = recorded("SELECT 1").model_copy(update={"toplevel": False})
    found = snapshot(statements=[top, inner])
    assert len(nested_times(found)) == 2
    assert parse_statements(found).shares
    assert JsonKeys(found).variants(f"SELECT props ->> $1, {statement}").texts == ()
