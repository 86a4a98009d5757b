"""No command runs what is planted: not on the database it reads, not on the machine it runs on, as root or as a user.

The control is what a reader that guards against nothing would send, as a superuser: it runs everything that does not
say in its file why it cannot.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from analyzer.db import connect
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from tests.hostile.conftest import Hostile
from tests.hostile.people import PEOPLE, ROOM, Person, person
from tests.hostile.planting import ATTACKER, READER, ask_all, has_libxml, with_role, workload_of

ENV = """
import analyzer.migrate.alembic_plugin
from alembic import context
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData(), transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
#: Tables that get an index by a revision, each with its column.
BUILT = {
    "index_expression": "a",
    "index_expression_folded": "id",
    "index_predicate": "id",
    "column_default": "b",
    "domain_check": "id",
    "statistics_object": "b",
    "policy": "a",
    "trigger": "id",
}


def test_a_reader_that_guards_against_nothing_runs_everything_planted_or_the_file_says_why_not(
    hostile: Hostile,
) -> None:
    hostile.canaries.silence()
    begun = hostile.now()
    with connect(hostile.url, autocommit=True) as superuser:
        libxml = has_libxml(superuser)
        for statement in (each for plant in hostile.plants for each in plant.unguarded):
            try:
                superuser.execute(statement.encode(), prepare=False)
            except psycopg.Error:
                assert not superuser.closed
    reachable = {
        plant.name
        for plant in hostile.plants
        if plant.production_silence is None and plant.refusal is None and (libxml or not plant.needs_libxml)
    }
    assert sorted(hostile.canaries.places()) == sorted(reachable)
    assert {place for place, _ in hostile.ran(begun)} <= reachable
    assert not hostile.canaries.leaks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of somebody's."""

    directory: Path
    person: Person
    #: URL of the role that the documentation recommends.
    reader: str


@pytest.fixture(scope="module", params=[PEOPLE[0], pytest.param(PEOPLE[1], marks=pytest.mark.slow)])
def project(request: pytest.FixtureRequest, hostile: Hostile, captured: Snapshot) -> Iterator[Project]:
    """A project with specs, an Alembic environment, a workload and a snapshot with all that is planted."""
    who = person(request.param)
    directory = Path(tempfile.mkdtemp(prefix="hp", dir="/tmp"))
    _let_in(hostile)
    write_project(directory, hostile, captured)
    yield Project(directory=who.own(directory), person=who, reader=with_role(hostile.url, READER))
    shutil.rmtree(directory)


def _let_in(hostile: Hostile) -> None:
    """Let every user of this machine connect to the production server."""
    sockets = hostile.log.with_name("run")
    sockets.chmod(0o755)
    (sockets / ".s.PGSQL.5432").chmod(0o777)


def write_project(directory: Path, hostile: Hostile, captured: Snapshot) -> None:
    """Write all that the commands need."""
    snapshots.dump(captured, directory / "hostile.snapshot")
    (directory / "workload.sql").write_text(workload_of(hostile.plants))
    (directory / "migrations" / "versions").mkdir(parents=True)
    (directory / "migrations" / "env.py").write_text(ENV)
    shutil.copy(ROOM / "migrations" / "script.py.mako", directory / "migrations")
    address = hostile.url.replace("postgresql://", "postgresql+psycopg://").replace("%", "%%")
    (directory / "alembic.ini").write_text(f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {address}\n")
    specs = directory / "index_specs"
    specs.mkdir()
    for place, column in BUILT.items():
        keys = f"    keys: [{column}]\n    why: It is asked for.\n"
        (specs / f"{place}.t.yaml").write_text(f"table: {place}.t\nindexes:\n  - name: built_{place}\n{keys}")


#: The reader's URL goes where READS is.
READS = "READS"
COMMANDS: dict[str, tuple[str, ...]] = {
    "capture": ("capture", "-d", READS, "-o", "own.snapshot"),
    "propose of a file": ("propose", "hostile.snapshot", "--workload", "workload.sql", "--seconds", "5"),
    "propose": ("propose", "-d", READS, "--seconds", "5"),
    "whatif": ("whatif", "hostile.snapshot", "-q", "workload.sql", "--create", "CREATE INDEX ON policy.t (a)"),
    "report": ("report", "-d", READS),
    "check": ("check", "-d", READS),
    "lint": ("lint", "--snapshot", "hostile.snapshot", "index_specs"),
    "verify": ("verify", "-d", READS, "--against", "hostile.snapshot"),
    "pull": ("pull", "-d", READS, "--specs", "pulled", "--no-env"),
    "revise": ("revise", "-m", "hostile", "-d", READS),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_canary_sings_for_a_command(command: str, project: Project, hostile: Hostile) -> None:
    with connect(with_role(hostile.url, ATTACKER), autocommit=True) as attacker:
        ask_all(attacker, hostile.plants)
    hostile.canaries.silence()
    begun = hostile.now()
    words = [project.reader if word == READS else word for word in COMMANDS[command]]
    done = project.person.twindex(*words, cwd=project.directory)
    assert hostile.canaries.songs() == frozenset()
    assert hostile.ran(begun) == frozenset()
    assert done.returncode in {0, 1, 3}, done.stderr
    assert "Traceback" not in done.stderr


def test_no_canary_sings_for_a_deploy(project: Project, hostile: Hostile) -> None:
    hostile.canaries.silence()
    begun = hostile.now()
    done = project.person.run("-m", "alembic", "upgrade", "head", cwd=project.directory)
    assert hostile.canaries.songs() == frozenset()
    assert hostile.ran(begun) == frozenset()
    assert done.returncode == 0, done.stderr
    with connect(hostile.url, autocommit=True) as connection:
        built = connection.execute("SELECT relname FROM pg_class WHERE relname ^@ 'built_'").fetchall()
        assert {row["relname"] for row in built} == {f"built_{place}" for place in BUILT}
        for row in built:
            connection.execute(f"DROP INDEX {row['relname'].removeprefix('built_')}.{row['relname']}".encode())
        connection.execute("DROP TABLE alembic_version")
