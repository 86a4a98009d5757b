"""What is admitted as an expression ends where it seems to, on a real server and whatever its settings."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.errors import InputError
from analyzer.sql import expression, ident, render_text

#: Pieces at which one scanner ends a token and another does not.
PIECES = st.sampled_from(
    [
        "a",
        "b",
        "E",
        "e",
        "U&",
        "u&",
        "N",
        "n",
        "B",
        "x",
        "1",
        "1.",
        ".5",
        "1e",
        "0x1F",
        "0b1",
        "1_0",
        "$1",
        "$$",
        "$t$",
        "$",
        "'",
        "''",
        "\\",
        "\\'",
        "\\\\",
        '"',
        '""',
        ";",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        "\v",
        " ",
        "\u00a0",
        "\u2028",
        "\u0660",
        "\u0301",
        "é",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "..",
        ":",
        "::",
        ":=",
        "=",
        "<",
        "-",
        "+",
        "*",
        "/",
        "@",
        "#",
        "%",
        "?",
        "|",
        "text",
        "UESCAPE",
        "'!'",
        "drop table t",
        "select 1",
        "date",
        "{",
        "}",
        "\x1c",
        "\x85",
    ]
)
#: Some are whole up to a point, and then try to go on.
ENDS = st.sampled_from(["", "", " ; select 1 --", "; select $$x$$ --'", "'; x"])
TEXTS = st.tuples(st.lists(PIECES, max_size=12).map("".join), ENDS).map("".join)
#: The first one of the reported case, then one for each way in which a scanner can be led astray.
KNOWN = (
    r"note = '\'' ; select nextval($$hits$$) --'",
    r"note = N'\'' ; select 1 --'",
    r"note = 'a' '\'' ; select 1 --'",
    "note = 'a'\n'\\'' ; select 1 --'",
    "a\u2028$$ ; select 1; --$$",
    "a\u00a0$$ ; select 1; --$$",
    "a\u0301$$ ; select 1; --$$",
    "0x1F$$ ; select 1; --$$",
    "1e'\\'' ; select 1 --'",
    "\u0660$$ ; select 1; --$$",
    "1$$ ; select 1; --$$",
)


@pytest.fixture(scope="module", params=["on", "off"])
def connection(server: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server, autocommit=True) as opened:
        for statement in (
            f"SET standard_conforming_strings = {request.param}",
            "SET escape_string_warning = off",
            "CREATE TEMPORARY TABLE t (a text, b text, note text)",
        ):
            opened.execute(statement.encode())
        yield opened


def statements(connection: psycopg.Connection, sql: str) -> int:
    """Count the statements that the server's own parser finds: 0 when it can read none, 2 for more than one."""
    result = connection.pgconn.prepare(b"", sql.encode())
    if result.status == psycopg.pq.ExecStatus.COMMAND_OK:
        return 1
    return 2 if b"multiple commands" in result.error_message else 0


def test_the_count_sees_a_second_statement(connection: psycopg.Connection) -> None:
    assert statements(connection, "SELECT 1 FROM t WHERE a = 'x' ; SELECT 2") == 2
    assert statements(connection, "SELECT 1 FROM t WHERE a = 'x ; SELECT 2'") == 1
    assert statements(connection, "SELECT 1 FROM t WHERE a = ") == 0


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_an_admitted_text_is_one_statement(connection: psycopg.Connection, text: str) -> None:
    try:
        admitted = expression(text)
    except InputError:
        return
    assert statements(connection, f"SELECT 1 FROM t WHERE {admitted}") < 2, admitted


@pytest.mark.parametrize("text", KNOWN)
def test_what_leads_a_scanner_astray_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        expression(text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
def test_a_constant_a_server_printed_keeps_its_value(connection: psycopg.Connection, value: str) -> None:
    printed = "'" + value.replace("'", "''") + "'"
    written = render_text("twin/type_expression", table=ident("t"), expression=printed)
    quoted = written[written.index("pg_typeof((") + len("pg_typeof((") : written.rindex(")), NULL")]
    row = connection.execute(b"SELECT " + quoted.encode()).fetchone()
    assert row == (value,)
