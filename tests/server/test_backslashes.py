"""A backslash means itself, whatever `standard_conforming_strings` of the database or the role says."""

from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.sql import ident
from analyzer.workflows.check import check
from tests.server.spec_project import SpecProject, obey

INDEXES = r"""
{name: ix_where, keys: [a], where: "s ~ E'^\\\\d+\\\\.x$'", comment: 'C:\new\x and ''\'''}
{name: ix_key, keys: [{expression: "regexp_replace(s, E'\\\\s+', E'\\\\', 'g')"}]}
{name: ix_both, keys: [a, {expression: "replace(v, E'\\'', '\"')"}], where: "v <> E'\\\\'"}
"""


@pytest.mark.parametrize("of", ["DATABASE {database}", "ROLE CURRENT_USER IN DATABASE {database}"])
@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_backslashes_arrive_as_they_are_written(project: SpecProject, of: str, twin: bool, tmp_path: Path) -> None:
    with connect(project.url, autocommit=True) as connection:
        row = connection.execute("SELECT current_database() AS name").fetchone()
        assert row is not None
        for setting in ("standard_conforming_strings", "escape_string_warning"):
            whose = of.format(database=ident(row["name"]))
            connection.execute(f"ALTER {whose} SET {setting} = off".encode())
    project.declare(INDEXES)
    obey(project, twin=twin)
    with connect(project.url) as connection:
        connection.execute("SET standard_conforming_strings = on")
        rows = connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname ~ '^ix'").fetchall()
    found = {row["indexname"]: row["indexdef"] for row in rows}
    assert r"(s ~ '^\d+\.x$'::text)" in found["ix_where"]
    assert r"regexp_replace(s, '\s+'::text, '\'::text, 'g'::text)" in found["ix_key"]
    assert r"'\'::text" in found["ix_both"]
    assert project.facts()["ix_where"].comment == r"C:\new\x and '\'"

    def drift(specs: Path) -> list[str]:
        findings = check(capture(project.url, statements=False), load_specs(specs), project.ini).findings
        return [finding.message for finding in findings if finding.code.startswith("TX3")]

    assert drift(project.specs) == []
    pulled = tmp_path / "pulled"
    pulled.mkdir()
    pull(capture(project.url, statements=False), pulled)
    assert drift(pulled) == []
