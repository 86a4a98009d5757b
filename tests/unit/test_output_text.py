"""Text that somebody else chose is shown and does nothing, wherever it is written; one place writes."""

import ast
import io
import json
import logging
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

from analyzer import console
from analyzer.errors import InputError, OutputError
from analyzer.terminal import Description, VisibleConsole, page
from analyzer.visible import one_line, visible, visible_block, visible_json, without_commands

PACKAGE = Path(__file__).parents[2] / "analyzer"
#: One of each kind that steers a terminal, ends a line, turns its direction or is not seen.
ODD = [
    "\0", "\a", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x1c", "\x7f", "\x85", "\x9b", "\xad", "\u061c", "\u200b",
    "\u200d", "\u200e", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\ufeff", "\ufff9",
    "\ud800", "\udc80", "\U000e0001", "\U000e0041", "\u3164", "\u115f", "\uffa0",
]  # fmt: skip
HOSTILE = 'x"\n::error file=a::\x1b[31mred\x1b]8;;http://evil\x07\u202e<script>##[error]\r\n| a |'


def hidden(text: str, *, kept: str = "") -> list[str]:
    return [c for c in text if c not in kept and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@pytest.mark.parametrize("odd", ODD)
def test_each_kind_is_shown(odd: str) -> None:
    assert visible(f"a{odd}b") == "a" + odd.encode("unicode_escape").decode() + "b"
    assert visible(visible(f"a{odd}b")) == visible(f"a{odd}b")
    assert not hidden(visible_block(f"a{odd}b"), kept="\n\t")
    assert json.loads(visible_json(json.dumps(f"a{odd}b", ensure_ascii=odd == "\ud800"))) == f"a{odd}b"
    assert visible_json(json.dumps(odd, ensure_ascii=False)).isascii()


@given(st.text(st.characters(codec=None, categories=None), max_size=30))
def test_any_text_is_one_visible_line(text: str) -> None:
    assert not hidden(visible(text))
    assert not hidden(one_line(text))
    assert not hidden(visible_block(text), kept="\n\t")
    visible(text).encode()


def test_what_people_write_stays() -> None:
    text = "größer 商品 naïve 🙂 'x' \\d {a} [b] <c>; a::text, 50 %"
    assert (
        visible(text) == one_line(text) == visible_block(text) == visible_json(text) == without_commands(text) == text
    )


@pytest.mark.parametrize(
    "line", ["::error::x", "  ::set-output name=a::b", "a\n::stop-commands::x", "\x1b[1m::error::x"]
)
def test_no_line_begins_a_command(line: str) -> None:
    assert not any(
        each.lstrip().removeprefix("\x1b[1m").startswith("::") for each in without_commands(line).split("\n")
    )


def test_an_error_is_one_line() -> None:
    assert str(InputError(f"table {HOSTILE} is odd")).count("\n") == 0
    assert not hidden(str(InputError(HOSTILE)))


def test_a_document_on_stdout_keeps_its_lines_and_colours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    console.put("\x1b[1ma\x1b[0m \x1b[2J\x1b]0;t\x07\n::error::b\n", colour=True)
    assert capsys.readouterr().out == "\x1b[1ma\x1b[0m \\x1b[2J\\x1b]0;t\\x07\n\\x3a:error::b\n"
    console.put("\x1b[1ma\n::error::b", commands=True)
    assert capsys.readouterr().out == "\\x1b[1ma\n::error::b\n"
    console.say("::error::\n")
    console.tell("a\nb\x1b")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("\\x3a:error::\\n\n", "a b\\x1b\n")


def test_a_log_record_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "analyzer.of_a_test"):
        console.logger("analyzer.of_a_test").info("built %s", HOSTILE)
        assert console.logger("analyzer.of_a_test") is logging.getLogger("analyzer.of_a_test")
    assert not hidden(caplog.records[0].getMessage())


def test_a_progress_bar_takes_a_name_for_no_markup() -> None:
    shown = VisibleConsole(file=io.StringIO(), force_terminal=True, width=200, _environ={})
    with Progress(Description(), console=shown) as bar:
        bar.add_task(f"[/red][link=http://evil]a[/link]{HOSTILE}", total=None)
        bar.refresh()
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert "[/red][link=http://evil]a[/link]x" in text
    assert "\x1b]8" not in text
    assert "\x1b[31m" not in text


def test_a_rendered_page_shows_what_a_style_did_not_make() -> None:
    made = page(width=80, colour=True)
    with made.capture() as captured:
        made.print(f"[bold]{HOSTILE}")
    assert "[bold]" in captured.get()
    assert not hidden(captured.get(), kept="\n")


@pytest.mark.parametrize("stream", ["/dev/full", None])
def test_a_result_that_cannot_be_written_is_said(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    target = None if stream is None else open(stream, "w")  # noqa: PTH123, SIM115 - a device, closed below
    monkeypatch.setattr("sys.stdout", target)
    with pytest.raises(OutputError, match="stdout cannot be written"):
        console.say("x")
    monkeypatch.setattr("sys.stderr", target)
    console.tell("nobody hears")
    if target is not None:
        with pytest.raises(OSError, match="No space"):
            target.close()


@pytest.mark.parametrize(
    "text",
    [
        "cannot open postgresql://u:s3cret@h/x",
        "host=h password=s3cret",
        "host=h password = 's3cret'",
        "the word s3cret of PGPASSWORD",
    ],
)
def test_a_defect_shows_no_password(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    assert "s3cret" not in console.without_passwords(text)
    monkeypatch.delenv("PGPASSWORD")
    assert "PGPASSWORD" in text or "s3cret" not in console.without_passwords(text)


#: Programs of their own, which are started and read by twindex.
PROGRAMS = {Path("twin/server/sandbox.py"), Path("twin/server/file_editor.py")}


def test_one_place_writes() -> None:
    """Find writers by their syntax: whoever needs one more uses analyzer.console, or analyzer.terminal for bars."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {what}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if (path.name not in ("console.py", "terminal.py") or path.parent != PACKAGE)
        and path.relative_to(PACKAGE) not in PROGRAMS
        for line, what in writers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "print('x')", "click.echo('x')", "click.secho('x')", "echo('x')", "sys.stdout.write('x')",
        "sys.stderr.write('x')",
        "print('x', file=sys.stderr)", "Console()", "rich.console.Console()", "TextColumn('x')", "rich.print('x')",
        "rprint('x')", "logging.getLogger(__name__)", "logging.getLogger('analyzer.x')", "logging.warning('x')",
        "warnings.warn('x')", "traceback.print_exc()", "os.write(2, b'x')", "sys.stdout.buffer.write(b'x')",
        "pprint(1)",
        "sys.stdout.writelines([])", "click.progressbar([])",
    ],
)  # fmt: skip
def test_a_writer_elsewhere_is_found(code: str) -> None:
    assert len(list(writers(ast.parse(code)))) == 1


_CALLS = frozenset(
    """
    print pprint rprint echo secho click.echo click.secho click.echo_via_pager click.progressbar click.confirm
    click.prompt Console TextColumn warn traceback.print_exc traceback.print_exception logging.debug logging.info
    logging.warning logging.error logging.exception logging.critical os.write rich.print rich.console.Console
    rich.progress.TextColumn rich.progress.track warnings.warn
    """.split()  # noqa: SIM905 - a paragraph reads better than thirty quoted words
)
_STREAMS = ("sys.stdout.", "sys.stderr.", "sys.__stdout__.", "sys.__stderr__.")
_WRITES = ("write", "writelines", "buffer.write")


def writers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        stream = any(name == f"{stream}{write}" for stream in _STREAMS for write in _WRITES)
        ours = name.endswith("getLogger") and (
            not node.args
            or not isinstance(node.args[0], ast.Constant)
            or str(node.args[0].value).startswith("analyzer.")
        )
        if name in _CALLS or stream or ours:
            yield node.lineno, name
