"""A schema, a table, an index and a spec whose names would steer a terminal, a workflow or a page do nothing."""

import json
import os
import re
import stat
import unicodedata
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.acceptance.command_line import Said, twindex

#: Within the 63 bytes of a name, each with a kind of its own: lines and commands, terminals, pages, unseen characters.
NAMES = (
    "a\n::error file=x::boo",
    "b\r\x1b[31m\x1b]0;t\x07\x9b1m",
    "c<script>alert(1)</script>|x|`",
    "d\u202ee\u2066f\u200bg\u2028h\ufeff",
    "e##[error]f\n# g",
    "f'\"\\i [bold]j[/x] --k",
)
PROGRAM = """import sys; sys.argv[0] = "alembic"; from alembic.config import main; main()"""


@pytest.fixture
def hostile(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for name in NAMES:
            facts = {"name": sql.Identifier(name), "index": sql.Identifier(f"i{name}"), "text": sql.Literal(name)}
            for statement in (
                "CREATE SCHEMA {name}",
                "CREATE TABLE {name}.{name} (id integer PRIMARY KEY, {name} text, gone integer)",
                "INSERT INTO {name}.{name} SELECT n, 'v' || n, n FROM generate_series(1, 5000) AS n",
                "CREATE INDEX {index} ON {name}.{name} ({name}) WHERE {name} <> {text}",
                "COMMENT ON INDEX {name}.{index} IS {text}",
                "ANALYZE {name}.{name}",
            ):
                connection.execute(sql.SQL(statement).format(**facts))
        connection.execute("SELECT pg_stat_statements_reset()")
        for name in NAMES:
            query = sql.SQL("SELECT id FROM {name}.{name} WHERE gone = 7").format(name=sql.Identifier(name))
            connection.execute(query)
    return database


def harmless(text: str, *, commands: bool = False, kept: str = "\n") -> None:
    odd = [c for c in text if c not in kept and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert not odd
    assert "##[" not in text or commands
    for line in text.split("\n"):
        assert commands or not line.lstrip().startswith("::")
        assert commands or not line.startswith("# g")


def said(result: Said, *statuses: int, commands: bool = False) -> str:
    assert result.status in statuses, result.err
    assert "Traceback" not in result.err
    harmless(result.out, commands=commands)
    harmless(result.err)
    return result.out


@pytest.mark.slow
def test_names_do_nothing_on_the_way_from_a_server_to_a_revision(hostile: str, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> Said:
        reads = arguments[0] in {"capture", "pull", "check"}
        more = ("--allow-superuser",) if reads else ()
        return twindex(*arguments, *more, cwd=tmp_path, env={"DATABASE_URL": hostile})

    os.umask(0o022)
    said(run("capture", "-o", "s.snapshot"), 0)
    said(run("pull"), 0)
    for path in (tmp_path / "index_specs").glob("*.yaml"):
        harmless(path.read_text(encoding="utf-8"), commands=True)
        # What is wanted differs from what is there, and is odd in other ways besides.
        path.write_text(path.read_text(encoding="utf-8").replace("<>", ">") + "manage: all\n", encoding="utf-8")
    assert said(run("lint", "--snapshot", "s.snapshot"), 0, 1)
    for form in ("text", "json", "sarif"):
        text = said(run("check", "--format", form), 0, 1)
        assert text
        assert form == "text" or any(NAMES[0] in each for each in strings(json.loads(text)))
    notes = said(run("check", "--format", "github"), 0, 1, commands=True).splitlines()
    assert len([note for note in notes if note.startswith("::")]) == len(notes) - 1
    assert all(
        re.match(r"::(error|warning|notice) file=index_specs/[^,]*,line=\d+,title=TX", note) for note in notes[:-1]
    )


def test_names_do_nothing_in_a_report(hostile: str, tmp_path: Path) -> None:
    os.umask(0o022)
    files = [tmp_path / f"report.{suffix}" for suffix in ("txt", "md", "html", "json")]
    options = [option for path in files for option in ("-o", str(path))]
    (tmp_path / "elsewhere").write_text("kept")
    files[0].symlink_to(tmp_path / "elsewhere")
    said(twindex("report", "-d", hostile, "--allow-superuser", *options, cwd=tmp_path), 0, 1)
    for path in files:
        harmless(path.read_text(encoding="utf-8"), commands=path.suffix == ".html")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "kept"
    page = files[2].read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert any("c<script>alert(1)</script>|x|`" in each for each in strings(json.loads(files[3].read_text())))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", *sorted(path.name for path in files)]
    said(twindex("report", "-d", hostile, "--allow-superuser", cwd=tmp_path), 0, 1)


def strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [each for part in value.values() for each in strings(part)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            return [each for part in value for each in strings(part)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return []
