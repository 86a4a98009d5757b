"""Names and constants are written as the server itself writes them."""

import string
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.db import Connection, connect
from analyzer.sql import Scalar, ident, literal

#: What quote_ident() has to decide on comes up often, anything else now and then.
NAMES = st.text(
    st.sampled_from(string.ascii_letters + string.digits + '_$ ".éß;\n\\'), min_size=1, max_size=12
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
VALUES = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)


@pytest.fixture(scope="module")
def connection(server: str) -> Iterator[Connection]:
    with connect(server, autocommit=True) as opened:
        yield opened


def quoted(connection: Connection, names: list[str]) -> list[str]:
    query = "SELECT pg_catalog.quote_ident(n) AS quoted FROM unnest(%s::text[]) WITH ORDINALITY AS u (n, i) ORDER BY i"
    return [row["quoted"] for row in connection.execute(query, [names])]


def test_every_keyword_is_quoted_as_the_server_does(connection: Connection) -> None:
    keywords = [row["word"] for row in connection.execute("SELECT word FROM pg_get_keywords() ORDER BY word")]
    assert len(keywords) > 400
    ours = [str(ident(word)) for word in keywords]
    assert [pair for pair in zip(ours, quoted(connection, keywords), strict=True) if pair[0] != pair[1]] == []


@settings(max_examples=200, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=50))
def test_any_name_is_quoted_as_the_server_does(connection: Connection, names: list[str]) -> None:
    assert [str(ident(name)) for name in names] == quoted(connection, names)


@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_any_constant_comes_back_as_it_was(connection: Connection, value: Scalar) -> None:
    written = literal(value)
    query = f"SELECT ({written})::{_type(value)} AS value"
    row = connection.execute(query.encode(), prepare=False).fetchone()
    assert row == {"value": value}


def _type(value: Scalar) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint"
    return "float8" if isinstance(value, float) else "text"
