"""The command line before it reaches a server: usage, bad files, bad settings, signals."""

import gzip
import os
import re
import signal
from pathlib import Path

import click
import pytest

from analyzer import cli, db
from analyzer.cli import COMMANDS, main
from analyzer.cli.options import Output, emit
from analyzer.cli.quantities import Size
from analyzer.documents import snapshot as snapshots
from analyzer.documents.proposals import ProposeDocument
from analyzer.errors import InputError
from analyzer.render.provenance import describe_source
from tests.unit.catalogs import recorded, snapshot, table

NOWHERE = "postgresql://somebody:h%40sh@127.0.0.1:1/none"
ONE_LINE = re.compile(r"twindex: [^\n]+\n\Z")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    snapshots.dump(snapshot(table("t", "a integer"), statements=[recorded("SELECT a FROM t")]), tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:200])
    (tmp_path / "plain").write_text("hello")
    (tmp_path / "other").write_bytes(gzip.compress(b'{"a": 1}'))
    (tmp_path / "array").write_bytes(gzip.compress(b"[1]"))
    (tmp_path / "newer").write_bytes(gzip.compress(b'{"format": "twindex-snapshot", "version": 99}'))
    (tmp_path / "hollow").write_bytes(gzip.compress(b'{"format": "twindex-snapshot", "version": 1}'))
    (tmp_path / "binary.sql").write_bytes(b"SELECT \xff\x00")
    (tmp_path / "nul.sql").write_bytes(b"SELECT 1\x00")
    (tmp_path / "empty.sql").write_bytes(b"")
    (tmp_path / "comment.sql").write_text("-- nothing")
    (tmp_path / "utility.sql").write_text("VACUUM;")
    (tmp_path / "one.sql").write_text("SELECT 1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Run the command line in this process; returns status, stdout and stderr."""
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    said = capsys.readouterr()
    return leaving.value.code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("nonsense", 2, "No such command 'nonsense'; see twindex --help"),
        ("propose --nonsense", 2, "No such option '?--nonsense'?.*see twindex propose --help"),
        ("propose --budget lots good", 2, "'lots' is not a size; give one such as 512MB or 2GB"),
        ("propose --max 0 good", 2, "--max.*0 is not in the range"),
        ("propose --seconds 0 good", 2, "--seconds.*0"),
        ("propose missing", 2, r"missing cannot be read as a snapshot \(No such file"),
        ("propose cut", 2, "cut is damaged or truncated; capture it again"),
        ("propose plain", 2, r"plain cannot be read as a snapshot \(it is not gzip"),
        ("propose other", 2, "other is not a twindex snapshot; create one with twindex capture"),
        ("propose array", 2, "array is not a twindex snapshot"),
        ("report newer", 2, "newer has snapshot version 99, this twindex reads up to 1; upgrade"),
        ("whatif hollow", 2, "hollow is not a valid snapshot: tool_version: .*; capture it again"),
        ("propose good -d postgresql://h/x", 2, "good and -d cannot be used together; specify one source"),
        ("propose", 2, "no database specified; use -d URL or set DATABASE_URL"),
        ("propose good -o x.docx", 2, "x.docx: unknown suffix; use .txt"),
        ("propose good -o missing/x.md", 2, "missing does not exist; create that directory"),
        ("whatif good -o x.html", 2, "x.html: html is not supported by this command; use text, markdown or json"),
        ("whatif good --format html", 2, "--format html is not supported by this command; use text, markdown or json"),
        ("lint --format html", 2, "--format html is not supported by this command; use text, json, sarif or github"),
        ("check good -o x.md", 2, "x.md: markdown is not supported by this command; use text, json, sarif or github"),
        ("check good -o missing/x.json", 2, "missing does not exist; create that directory"),
        ("propose good --workload empty.sql", 2, "empty.sql contains no statement that can be planned; give queries"),
        ("propose good --workload utility.sql", 2, "line 1: VACUUM is a utility statement"),
        ("propose good --workload missing.sql", 2, "missing.sql cannot be read"),
        ("whatif good -q empty.sql", 2, "empty.sql contains no statement to plan; give some with -q FILE"),
        ("whatif good -q comment.sql", 2, "comment.sql contains no statement"),
        ("whatif good -q binary.sql", 2, r"binary.sql cannot be read \(it is not UTF-8\)"),
        ("whatif good -q nul.sql", 2, r"nul.sql cannot be read \(it is binary\)"),
        ("whatif good -q .", 2, r"\. cannot be read \(Is a directory\)"),
        ("propose good --specs missing", 2, "missing is not a directory of spec files; give --specs DIR"),
        ("propose good --specs plain", 2, "Directory 'plain' is a file"),
        (f"verify -d {NOWHERE}", 2, "Missing option '--against'; see twindex verify --help"),
        (f"verify -d {NOWHERE} --against missing", 2, "missing cannot be read as a snapshot"),
        (f"revise -m x -d {NOWHERE}", 2, "index_specs is not a directory of spec files"),
        (f"capture -d {NOWHERE}", 2, "Missing option '-o' / '--output'"),
        (f"capture -d {NOWHERE} -o missing/x", 2, "missing does not exist"),
        ("sql missing/template", 2, "SQL template 'missing/template.* does not exist"),
        ("sql index/create_btree", 2, "cannot be printed by itself .*'index' is undefined"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(
    arguments: str, status: int, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    ended, out, err = run(capsys, *arguments.split())
    assert ended == status
    assert out == ""
    assert ONE_LINE.match(err)
    assert re.search(says, err)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("postgresql://u:s3cret@127.0.0.1:1/x", 3, "cannot connect to 127.0.0.1:1, database x"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/x", 3, "cannot connect to 127.0.0.1:1, database x"),
        ("postgresql://u:s3cret@nohost.invalid/x", 3, "cannot connect to nohost.invalid"),
        ("postgresql://u:s3cret@127.0.0.1:1:2/x", 3, "cannot connect"),
        ("host=127.0.0.1 port=1 password=s3cret dbname=x", 3, "cannot connect to 127.0.0.1:1"),
        ("driver://u:s3cret@h/x", 2, "the connection string cannot be read .*; give postgresql://"),
        ("host=h password=s3 cret", 2, "the connection string cannot be read"),
        ("postgresql://u:s3@cret@h/x", 2, "has an @ in its password or host; write it as %40"),
        ("postgresql://u:s3cret@h/x?nonsense=s3cret", 2, "the connection string cannot be read"),
        ("postgresql://u:s3cret@[h/x", 2, "the connection string cannot be read"),
    ],
)
def test_a_connection_that_cannot_be_made_never_shows_its_password(
    url: str, status: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    ended, out, err = run(capsys, "report")
    assert ended == status
    assert ONE_LINE.match(err)
    assert re.search(says, err)
    assert not re.search("s3|cret", out + err)
    _, _, warned = run(capsys, "report", "-d", url)
    assert warned.startswith("twindex: a password on the command line is visible in process lists")
    assert not re.search("s3|cret", warned)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[tool.twindex]\nspec = "x"\n', r"\[tool.twindex\] spec: unknown setting; the settings are specs"),
        ("[tool.twindex]\nspecs = 3\n", r"\[tool.twindex\] specs: .*each a path"),
        ("[tool.twindex\n", r"pyproject.toml cannot be read \(.*line 1.*\); fix the file or run in another directory"),
        ("[tool]\ntwindex = 3\n", "tool.twindex is not a table"),
    ],
)
def test_a_wrong_setting_is_named(text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text(text)
    ended, _, err = run(capsys, "report")
    assert ended == 2
    assert ONE_LINE.match(err)
    assert re.search(says, err)


def test_an_unreadable_alembic_ini_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("alembic.ini").write_text("sqlalchemy.url = x\n")
    ended, _, err = run(capsys, "report")
    assert ended == 2
    assert "alembic.ini cannot be read" in err
    assert ONE_LINE.match(err)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("table: a.b\nindexes:\n  - name: [x\n", r"a\.yaml:\d: not YAML"),
        ("table: a.b\nindexes:\n  - name: x\n    keyz: [a]\n", r"a\.yaml:\d: "),
        ("nothing\n", r"a\.yaml:1: not a spec file"),
    ],
)
def test_a_malformed_spec_is_named_with_its_line(text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("index_specs").mkdir()
    Path("index_specs/a.yaml").write_text(text)
    for command in ("propose good", f"revise -m x -d {NOWHERE}"):
        ended, _, err = run(capsys, *command.split())
        assert ended == 2
        assert re.search(says, err.splitlines()[-1])


def test_help_is_on_stdout_and_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        ended, out, err = run(capsys, command, "--help")
        assert (ended, err) == (0, "")
        assert out.startswith(f"Usage: twindex {command} ")
    ended, out, err = run(capsys)
    assert (ended, out) == (2, "")
    assert "Commands:" in err


def test_no_summary_of_a_command_is_cut_off_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "--help")
    summaries = out.partition("Commands:\n")[2].splitlines()
    assert len(summaries) == len(COMMANDS)
    assert all(len(line) <= 80 and line.endswith(".") and not line.endswith("...") for line in summaries)


@pytest.mark.parametrize(("text", "size"), [("512MB", 512 * 1024**2), ("2 GB", 2 * 1024**3), ("1.5kB", 1536), ("7", 7)])
def test_sizes_are_postgresqls(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)], ids=str
)
def test_a_signal_unwinds_and_is_told_by_the_status(
    number: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unwound: list[bool] = []

    @click.command()
    def waiting() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            unwound.append(True)

    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(cli, "cli", waiting)
    ended, out, err = run(capsys)
    assert (ended, out, unwound) == (status, "", [True])
    assert "Traceback" not in err
    assert {each: signal.getsignal(each) for each in handlers} == handlers


def test_colour_is_for_terminals_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    source = describe_source(snapshot(), planner="none")
    emit(
        ProposeDocument(provenance=source, proposals=()),
        Output(files=(), format=None, query_text="full", quiet=True),
    )
    out = capsys.readouterr().out
    assert out.startswith("No index is proposed\n")
    assert "\x1b" not in out


@pytest.mark.parametrize(
    "url", ["postgresql://u:s%33cret@h/x", "host=h password='s3cret'", "postgresql://u:s3cret@[h/x"]
)
def test_a_message_about_a_url_loses_its_password(url: str) -> None:
    assert "s3cret" not in db.without_secrets("said s3cret\nor s%33cret", url)
    assert db.has_password(url)


def test_a_url_that_cannot_be_read_is_the_users_mistake() -> None:
    with pytest.raises(InputError, match="cannot be read"), db.connect("nonsense"):
        pass
