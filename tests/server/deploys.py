"""Deploys under test: one revision of a temporary project, run by `alembic upgrade head` as a process of its own."""

import contextlib
import itertools
import json
import secrets
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from analyzer.db import connect, libpq_url, sqlalchemy_url
from analyzer.sql import render
from analyzer.twin.server import postmaster
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.databases import copy_database
from analyzer.twin.server.directories import account_of
from tests.conftest import database_url
from tests.server.deploy_events import Orders, await_
from tests.server.executor import guarded
from tests.server.spec_project import UNMODELLED, Fact, SpecProject

HERE = Path(__file__).parent
#: Wide enough apart that the table is too large for a plain build, though it holds few rows.
ROWS = """
ALTER TABLE t SET (fillfactor = 10);
INSERT INTO t SELECT n, n, n % 1000, repeat('x', 300), n::text, '{}', now(), n::text FROM generate_series(1, 5000) AS n;
CREATE TABLE other (a int);
INSERT INTO other VALUES (1);
ANALYZE t
"""
PARTITIONED = """
CREATE TABLE p (id int, k int, a int, s text) PARTITION BY RANGE (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (1) WITH (fillfactor = 10);
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (1) TO (2) WITH (fillfactor = 10);
CREATE TABLE p_3 PARTITION OF p FOR VALUES FROM (2) TO (3) PARTITION BY HASH (id);
CREATE TABLE p_3_0 PARTITION OF p_3 FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (fillfactor = 10);
CREATE TABLE p_3_1 PARTITION OF p_3 FOR VALUES WITH (MODULUS 2, REMAINDER 1) WITH (fillfactor = 10);
INSERT INTO p SELECT n, n % 3, n, repeat('x', 300) FROM generate_series(1, 6000) AS n;
CREATE TABLE other (a int);
INSERT INTO other VALUES (1);
ANALYZE p
"""
#: Every index of the tables that belongs to no constraint, as it hangs together; and what should not be there.
_TREE = """
SELECT c.relname AS name, coalesce(k.relname, '') AS parent, i.indisvalid AND i.indisready AND i.indislive AS whole
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS k ON k.oid = h.inhparent
ORDER BY 1
"""
_DEADLOCKS = (
    "SELECT deadlocks FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database() ORDER BY 1"
)
#: The backend that waits for a lock in a statement and a phase.
_WAITING = """
SELECT a.pid
FROM pg_catalog.pg_stat_activity AS a
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS g ON g.pid = a.pid
WHERE a.datname = pg_catalog.current_database() AND a.wait_event_type = 'Lock' AND a.query ~ %(statement)s
AND (%(phase)s::text IS NULL OR g.phase = %(phase)s) AND ({catalog})
ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A server whose databases are deployed to."""

    url: str
    #: Set when it is ours to stop.
    cluster: Cluster | None = None

    def restart(self) -> None:
        """Start the server after it was stopped."""
        assert self.cluster is not None
        if postmaster.running_pid(self.cluster.data) is None:
            cluster = self.cluster
            postmaster.start(cluster.data, cluster.binaries, account_of(cluster.data), sockets=cluster.socket_dir)

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Generator[str]:
        """Yield the URL of a copy of a database."""
        name = f"t_{secrets.token_hex(5)}"
        with connect(self.url, autocommit=True) as connection:
            copy_database(connection, name, template=template)
        try:
            yield database_url(self.url, name)
        finally:
            if self.cluster is not None:
                self.restart()
            with connect(self.url, autocommit=True) as connection:
                connection.execute(render("twin/drop_database", database=name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A point inside a concurrent statement, reached by a transaction that holds it up."""

    #: Begins the transaction, `BEGIN; …`; it stays open until the next wait is reached, or the deed is done.
    holder: str
    #: Regular expression of the statement that is to wait.
    statement: str
    #: Of pg_stat_progress_create_index.
    phase: str | None = None
    #: What else holds then; it tells the waits of a DROP apart, which reports no progress.
    catalog: str = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A chain of waits; death comes in the last one."""

    name: str
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Scenario:
    """One revision, and the database it is for."""

    name: str
    schema: str
    table: str
    #: Lines of YAML: the indexes there are, and those the revision is to make.
    before: str
    after: str
    #: Definition and comment of the objects there are in the end; on a partitioned table, of the parents' indexes.
    wanted: Mapping[str, tuple[str, str | None]]
    #: Lines of YAML as well: the statistics objects there are, and those the revision is to make.
    statistics: tuple[str, str] = ("", "")
    #: Body of the revision, when no change of specs leads to it.
    body: str | None = None
    #: A query that has an index of this scenario at every moment.
    question: str | None = None
    inside: tuple[Inside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a deploy ended."""

    status: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A statement of a deploy that changes something."""

    statement: str
    #: EXPLAIN of the scenario's question just before.
    plan: str | None


class Deploy:
    """The project's revision on one database."""

    def __init__(self, project: SpecProject, url: str) -> None:
        self.url = url
        self.project = SpecProject.__new__(SpecProject)
        self.project.__dict__.update(project.__dict__, url=url)
        directory = project.ini.parent / secrets.token_hex(4)
        directory.mkdir()
        self.project.ini = directory / "alembic.ini"
        text = project.ini.read_text().replace(ini_url(project.url), ini_url(url))
        self.project.ini.write_text(text)
        self._orders = directory / "orders.json"
        self._journal = directory / "journal"
        self._head = project.heads()

    def start(self, orders: Orders | None = None) -> "subprocess.Popen[str]":
        """Begin `alembic upgrade head`."""
        self._orders.unlink(missing_ok=True)
        if orders is not None:
            orders.write(self._orders)
        command = [sys.executable, "-m", "alembic", "-c", str(self.project.ini), "upgrade", "head"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HERE)

    def run(self, orders: Orders | None = None, *, seconds: float = 120) -> Outcome:
        """Run `alembic upgrade head` to its end."""
        return ended(self.start(orders), seconds=seconds)

    def again(self) -> None:
        """Run `alembic upgrade head` to its end in this process, which is quicker; raises what it raises."""
        self._orders.unlink(missing_ok=True)
        self.project.upgrade()

    def record(self, question: str | None = None) -> tuple[Event, ...]:
        """Run it undisturbed and return its statements."""
        outcome = self.run(Orders(url=self.url, journal=str(self._journal), question=question))
        assert outcome.status == 0, outcome.output
        return tuple(Event(**json.loads(line)) for line in self._journal.read_text().splitlines())

    def version(self) -> str | None:
        """Return the revision the database is at."""
        with connect(self.url) as connection:
            rows = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS there").fetchall()
            if not rows[0]["there"]:
                return None
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return str(found[0]["version_num"]) if found else None

    def at_head(self) -> bool:
        return self.version() == self._head

    def facts(self) -> dict[str, Fact]:
        """Read every index that belongs to no constraint."""
        return self.project.facts()

    def tree(self) -> tuple[tuple[str, str, bool], ...]:
        """Read name, parent and soundness of every index."""
        with connect(self.url) as connection:
            return tuple((row["name"], row["parent"], row["whole"]) for row in connection.execute(_TREE).fetchall())


def ended(process: "subprocess.Popen[str]", *, seconds: float = 120) -> Outcome:
    """Wait for the end of a deploy."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0] + "\nit hung, and was killed by the test"
    return Outcome(status=process.returncode, output=output)


def ini_url(url: str) -> str:
    """Write a URL as alembic.ini has it."""
    return sqlalchemy_url(url).replace("%", "%%")


ENV = {
    "models": f"import sys\nsys.path.insert(0, {str(HERE)!r})\nimport deploy_events\nfrom pathlib import Path\n"
    "deploy_events.listen(Path(context.config.config_file_name).with_name('orders.json'))",
    "options": UNMODELLED,
}
_BASE = "0001"
_REVISION = '''"""{name}."""

from alembic import op

import analyzer.migrate.alembic_plugin  # noqa: F401

revision = "{revision}"
down_revision = {down_revision}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    {body}
'''


def write_revision(project: SpecProject, name: str, body: str, *, base: bool = False) -> None:
    """Write a revision by hand: the one to deploy, or the one before."""
    revision, down_revision = (_BASE, "None") if base else ("0002", f'"{_BASE}"')
    text = _REVISION.format(name=name, body=body, revision=revision, down_revision=down_revision)
    (project.versions / f"{revision}_{name}.py").write_text(text)


def new_project(directory: Path, url: str, *, schema: str) -> SpecProject:
    """Make a project whose deploys can be watched and killed; one revision, an empty one, is deployed already."""
    project = SpecProject(directory, url, schema=schema, env=ENV)
    guarded(project)
    write_revision(project, "base", "pass", base=True)
    project.upgrade()
    return project


@contextlib.contextmanager
def prepared(scenario: Scenario, host: Host, directory: Path) -> Generator[SpecProject]:
    """Yield the project of a scenario; its database is the template of those that are deployed to."""
    directory.mkdir()
    with host.database() as url:
        project = new_project(directory, url, schema=scenario.schema)
        before, after = scenario.statistics
        if scenario.before or before:
            project.declare(scenario.before, statistics=before, table=f"public.{scenario.table}")
            project.build()
        if scenario.body is not None:
            write_revision(project, scenario.name, scenario.body)
        else:
            project.declare(scenario.after, statistics=after, table=f"public.{scenario.table}")
            assert project.autogenerate(scenario.name) is not None
        yield project


@contextlib.contextmanager
def deploy_of(project: SpecProject, host: Host) -> Generator[Deploy]:
    """Yield a deploy to a fresh copy of a project's database."""
    with host.database(str(conninfo_to_dict(libpq_url(project.url))["dbname"])) as url:
        yield Deploy(project, url)


@contextlib.contextmanager
def held(url: str, statements: str) -> Generator[psycopg.Connection]:
    """Hold a transaction open that its statements begin; end it earlier by closing what is yielded."""
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        if connection.info.server_version >= 170000:
            connection.execute("SET transaction_timeout = 0")
        connection.execute(statements.encode())
        yield connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A deploy that waits inside a statement."""

    process: "subprocess.Popen[str]"
    #: The backend that waits.
    pid: int
    #: The transaction it waits for; closing it lets the deploy go on.
    holder: psycopg.Connection


@contextlib.contextmanager
def led_into(deploy: Deploy, waits: Sequence[Wait]) -> Generator[Stuck]:
    """Begin a deploy and lead it into the last of a chain of waits."""
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(held(deploy.url, waits[0].holder))
        process = deploy.start()
        stack.callback(process.wait)
        stack.callback(process.kill)
        pid = 0
        for wait, following in itertools.zip_longest(waits, waits[1:]):
            pid = _reached(process, deploy.url, wait)
            if following is not None:
                released, holder = holder, stack.enter_context(held(deploy.url, following.holder))
                released.close()
        yield Stuck(process=process, pid=pid, holder=holder)


def _reached(process: "subprocess.Popen[str]", url: str, wait: Wait) -> int:
    """Wait until a backend of the deploy is in a wait, and return its pid."""
    pids: list[int] = []
    query = _WAITING.replace("{catalog}", wait.catalog).encode()
    with psycopg.connect(url, autocommit=True) as watcher:

        def waiting() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"it ended before it had to wait in {wait.statement}: {process.communicate()[0]}")
            rows = watcher.execute(query, {"statement": wait.statement, "phase": wait.phase}).fetchall()
            pids.extend(pid for (pid,) in rows)
            return bool(rows)

        await_(waiting)
    return pids[0]


def run(url: str, *statements: str) -> None:
    """Execute statements as somebody else would, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def deadlocks(url: str) -> int:
    """Read how many deadlocks the database has seen."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_DEADLOCKS).fetchone()
    assert row is not None
    return int(row[0])


def interrupted(url: str, statement: str, holder: str) -> None:
    """Run a concurrent statement until it gives up waiting."""
    with held(url, holder), pytest.raises(psycopg.errors.LockNotAvailable):
        run(url, "SET lock_timeout = '300ms'", statement)
