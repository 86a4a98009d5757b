"""A replaced index that is kept for a while: only a line of check speaks of it, and the way back is instant."""

import json
import logging
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from click.testing import CliRunner

from analyzer.capture.capture import capture
from analyzer.cli.check import command as check
from analyzer.db import connect
from analyzer.objects.temporary_names import kept_until
from analyzer.specs.pull import pull
from tests.server.executor import state
from tests.server.spec_project import SpecProject
from tests.server.squawked import offline
from tests.server.test_online_partitions import psql

KEPT = "twindex: replaced, was public.ix; kept until "


def findings(project: SpecProject) -> dict[str, str]:
    """Run `twindex check` and return what it finds, the messages by code."""
    arguments = ["-d", project.url, "--allow-superuser", "--specs", str(project.specs), "--format", "json"]
    result = CliRunner().invoke(check, arguments, catch_exceptions=False)
    document: dict[str, Any] = json.loads(result.stdout)
    found = {finding["code"]: finding["message"] for finding in document["findings"]}
    assert result.exit_code == (1 if found.keys() - {"TX320"} else 0)
    return found


def oid(project: SpecProject, name: str) -> int:
    return state(project.url)[name][1]


def end_time(project: SpecProject) -> None:
    """Let the time of the kept index be over."""
    project.run(f"COMMENT ON INDEX ix_twindex_old IS '{KEPT}2020-01-01 00:00:00+00'")


@pytest.fixture(params=["", "unique: true, "])
def replaced(project: SpecProject, request: pytest.FixtureRequest) -> SpecProject:
    """A project that has replaced an index and kept it."""
    project.run("INSERT INTO t SELECT n, n, n FROM generate_series(1, 100) AS n")
    project.declare(f"{{name: ix, {request.param}keys: [a], comment: first}}")
    project.autogenerate("first")
    project.upgrade()
    project.declare(f"{{name: ix, {request.param}keys: [a, b], comment: second, keep_old: 1d}}")
    revision = project.autogenerate("second")
    assert revision is not None
    assert revision.read_text().count('keep_old="1d"') == 1  # and none in the downgrade
    before = oid(project, "ix")
    project.upgrade()
    assert oid(project, "ix_twindex_old") == before
    return project


def test_the_old_index_stays_valid_until_the_time_of_its_comment(replaced: SpecProject) -> None:
    facts = replaced.facts()
    old = facts["ix_twindex_old"]
    assert old.valid
    assert old.comment is not None
    assert old.comment.startswith(KEPT)
    assert facts["ix"].comment == "second"
    until = kept_until(old.comment)
    assert until is not None
    with connect(replaced.url) as connection:
        rows = connection.execute("SELECT clock_timestamp() AS now ORDER BY 1").fetchall()
    assert 86_000 < (until - rows[0]["now"]).total_seconds() <= 86_400


def test_nothing_but_a_line_of_check_speaks_of_it(replaced: SpecProject) -> None:
    found = findings(replaced)
    assert set(found) == {"TX320"}
    assert found["TX320"].startswith("public.ix_twindex_old of public.t was replaced, and is kept until 20")
    assert replaced.check() == []
    assert replaced.autogenerate("nothing") is None
    assert replaced.revise() is None
    assert pull(capture(replaced.url, statements=False), replaced.specs).objects == ()
    file = replaced.specs / "t.yaml"
    file.write_text(file.read_text().replace("table: public.t\n", "table: public.t\nmanage: all\n"))
    assert set(findings(replaced)) == {"TX320"}
    assert replaced.check() == []
    assert replaced.revise() is None


def test_another_deploy_leaves_it(replaced: SpecProject) -> None:
    unique = "unique: true, " if "UNIQUE" in replaced.facts()["ix"].ddl else ""
    replaced.declare(f"{{name: ix, {unique}keys: [a, b], comment: second, keep_old: 1d}}\n{{name: ix_d, keys: [d]}}")
    replaced.autogenerate("third")
    replaced.upgrade()
    assert set(state(replaced.url)) == {"ix", "ix_d", "ix_twindex_old"}


def test_the_way_back_builds_nothing(replaced: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    old, facts = oid(replaced, "ix_twindex_old"), replaced.facts()
    with caplog.at_level(logging.INFO, "analyzer.migrate"):
        replaced.downgrade()
    assert "building" not in caplog.text
    assert "public.ix_twindex_old is still there; it takes its place again" in caplog.text
    assert state(replaced.url) == {"ix": (True, old)}
    assert replaced.facts()["ix"].comment == "first"
    replaced.upgrade()
    assert set(state(replaced.url)) == {"ix", "ix_twindex_old"}
    assert replaced.facts()["ix"] == facts["ix"]


def test_another_replacement_keeps_the_last_one(replaced: SpecProject) -> None:
    unique = "unique: true, " if "UNIQUE" in replaced.facts()["ix"].ddl else ""
    last = oid(replaced, "ix")
    replaced.declare(f"{{name: ix, {unique}keys: [a, d], keep_old: 1d}}")
    replaced.autogenerate("third")
    replaced.upgrade()
    assert set(state(replaced.url)) == {"ix", "ix_twindex_old"}
    assert oid(replaced, "ix_twindex_old") == last


def test_after_its_time_it_is_reported_and_the_next_deploy_drops_it(replaced: SpecProject) -> None:
    end_time(replaced)
    found = findings(replaced)
    assert set(found) == {"TX319"}
    assert "kept until 2020-01-01 00:00:00+00" in found["TX319"]
    unique = "unique: true, " if "UNIQUE" in replaced.facts()["ix"].ddl else ""
    replaced.run("CREATE TABLE other (a int)")
    replaced.declare(f"{{name: ix, {unique}keys: [a, b], comment: second, keep_old: 1d}}")
    replaced.declare("{name: ix_other, keys: [a]}", table="public.other", file="other.yaml")
    revision = replaced.revise()
    assert revision is not None
    assert "twindex_old" not in revision.read_text()
    replaced.upgrade()
    assert set(state(replaced.url)) == {"ix", "ix_other"}
    assert findings(replaced) == {}


def test_a_partitioned_index_is_kept_as_well(project: SpecProject) -> None:
    project.run("""
        CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9);
        INSERT INTO p VALUES (1, 1)
    """)
    project.declare("{name: ix, keys: [b]}", table="public.p", file="p.yaml")
    project.revise("first")
    project.upgrade()
    before = oid(project, "ix"), state(project.url, "p_1_b_idx")
    project.declare("{name: ix, keys: [b, a], keep_old: 1 h}", table="public.p", file="p.yaml")
    project.revise("second")
    project.upgrade()
    assert state(project.url)["ix_twindex_old"] == (True, before[0])
    assert set(findings(project)) == {"TX320"}
    project.downgrade()
    assert (oid(project, "ix"), state(project.url, "p_1_b_idx")) == before
    assert set(state(project.url)) == {"ix"}
    assert set(state(project.url, "p_1_b_%")) == {"p_1_b_idx"}


def test_the_script_for_psql_keeps_it_too(project: SpecProject) -> None:
    project.declare("{name: ix, keys: [a]}")
    revision = project.autogenerate("first")
    assert revision is not None
    project.upgrade()
    project.declare("{name: ix, keys: [a, b], keep_old: 1d}")
    project.autogenerate("second")
    before = oid(project, "ix")
    psql(project.url, offline(project.config, f"{revision.stem.partition('_')[0]}:head"))
    old = project.facts()["ix_twindex_old"]
    assert old.valid
    assert kept_until(old.comment) is not None
    assert oid(project, "ix_twindex_old") == before
    assert set(findings(project)) == {"TX320"}
    project.declare("{name: ix, keys: [a, b, s], keep_old: 1d}")
    project.autogenerate("third")
    (second,) = project.versions.glob("*second.py")
    numbers = (second.stem.partition("_")[0], project.heads())
    replaced = oid(project, "ix")
    psql(project.url, offline(project.config, ":".join(numbers)))
    assert oid(project, "ix_twindex_old") == replaced
    psql(project.url, offline(project.config, ":".join(reversed(numbers)), down=True))
    assert project.facts()["ix"].ddl.endswith("(a, b)")
    assert "ix_twindex_new" not in project.facts()


@pytest.mark.parametrize("keep", ["1 week", "-1d", "1", "d"])
def test_a_time_that_cannot_be_read_is_refused(project: SpecProject, keep: str) -> None:
    project.declare("{name: ix, keys: [a]}")
    revision = project.autogenerate("first")
    assert revision is not None
    text = revision.read_text()
    revision.write_text(text.replace('lock_timeout="10min"', f'lock_timeout="10min", keep_old="{keep}"'))
    with pytest.raises(CommandError, match=r"keep_old of op\.build_index of ix: write a number of up to five digits"):
        command.upgrade(project.config, "head")


def test_a_comment_that_somebody_wrote_keeps_nothing_for_ever() -> None:
    assert kept_until(KEPT + "2026-02-30 00:00:00+00") is None
    assert kept_until("mine; kept until 2026-01-30 00:00:00+00") is None
    assert kept_until(KEPT + "soon") is None
    assert kept_until(None) is None
