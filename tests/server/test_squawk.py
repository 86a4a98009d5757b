"""`alembic upgrade --sql` writes what psql runs and squawk has nothing against, but for what we do on purpose."""

import re
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from alembic.config import Config

from analyzer.db import libpq_url
from analyzer.twin.server import cluster
from tests.conftest import fresh_database
from tests.server.matrix import CHANGED, UNCHANGED
from tests.server.spec_project import SpecProject
from tests.server.squawked import ON_PURPOSE, offline, squawk

ROOT = Path(__file__).parents[2]

#: What the reference platform's schema revisions break besides: they make tables that nobody uses yet.
OF_SCHEMA = ON_PURPOSE | {
    "prefer-bigint-over-int",
    "require-concurrent-index-creation",
    "require-lock-timeout",
    "require-statement-timeout",
}


def psql(url: str, sql: str) -> None:
    """Run a script as a deploy does: stop at the first error."""
    program = cluster.find_binaries().bin_dir / "psql"
    arguments = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", libpq_url(url), "-f", "-"]
    done = subprocess.run(arguments, input=sql, capture_output=True, text=True, check=False)
    told = [
        line for line in done.stderr.splitlines() if not re.search(r'NOTICE:  index "\w+_twindex_old" does not', line)
    ]
    assert (done.returncode, told) == (0, []), done.stderr


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[SpecProject]:
    """A project with a revision of every kind."""
    with fresh_database(server) as url:
        project = SpecProject(tmp_path_factory.mktemp("history"), url)
        _deploy_every_kind(project)
        yield project


def _deploy_every_kind(project: SpecProject) -> None:
    project.run("CREATE INDEX ix_found ON t (d, a)")
    same = "\n".join(f"{{name: same_{name}, {spec}}}" for name, spec in UNCHANGED)
    first = "\n".join(f"{{name: {name}, {before}}}" for name, before, _ in CHANGED)
    second = "\n".join(f"{{name: {name}, {after}}}" for name, _, after in CHANGED)
    project.declare(f"{same}\n{first}\n{{name: ix_renamed, keys: [d, a], comment: it's}}")
    assert project.autogenerate() is not None
    project.upgrade()
    project.declare(
        f"{same.replace('name: same_brackets,', 'name: same_brackets, state: retired,')}\n{second}\n"
        "{name: ix_renamed, keys: [d, a], comment: new}"
    )
    assert project.autogenerate() is not None
    project.upgrade()


def test_the_offline_script_runs_in_psql_and_makes_the_same_schema(history: SpecProject, server: str) -> None:
    online = history.facts()
    with fresh_database(server) as url:
        copy = SpecProject.of(history, url)
        copy.run("CREATE INDEX ix_found ON t (d, a)")
        before = copy.facts()
        script = offline(history.config, "head")
        assert "INVALID" in script
        psql(url, script)
        assert copy.facts() == online
        head = history.heads()
        psql(url, offline(history.config, f"{head}:base", down=True))
        assert copy.facts() == before


def test_squawk_finds_nothing_in_index_revisions_that_is_not_on_purpose(history: SpecProject) -> None:
    for sql in (offline(history.config, "head"), offline(history.config, f"{history.heads()}:base", down=True)):
        found = squawk(sql)
        assert {finding["rule_name"] for finding in found} <= ON_PURPOSE, found


def test_squawk_finds_nothing_in_the_platforms_revisions_that_is_not_on_purpose() -> None:
    found = squawk(offline(Config(ROOT / "alembic.ini", stdout=StringIO()), "head"))
    assert {finding["rule_name"] for finding in found} <= OF_SCHEMA, found
    unneeded = OF_SCHEMA - ON_PURPOSE - {finding["rule_name"] for finding in found}
    assert not unneeded, "rules that nothing breaks any more leave the list"
