"""A project as it stands in its repository: run in a directory of its own, against a database of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import sqlalchemy as sa

from analyzer.db import connect, sqlalchemy_url
from tests.acceptance.command_line import Said, environment, twindex
from tests.projects.history import Revision, write_history

HERE = Path(__file__).parent


class Project:
    """The files of a project with its history, and its database; `variable` is where its env.py finds the URL."""

    def __init__(self, name: str, directory: Path, url: str, *, driver: str = "psycopg") -> None:
        shutil.copytree(HERE / name, directory, dirs_exist_ok=True)
        self.directory = directory
        self.url = url
        shown = sqlalchemy_url(url).replace("postgresql+psycopg:", f"postgresql+{driver}:")
        self._environment = {f"{name.upper()}_URL": shown, "PYTHONPATH": os.fspath(HERE.parents[1])}

    def write_history(
        self, metadata: sa.MetaData, *, before: Sequence[Revision], after: Sequence[Revision], numbered: bool
    ) -> int:
        """Write the revisions that lead to the models, and return how many."""
        versions = self.directory / "migrations" / "versions"
        versions.mkdir()
        return write_history(versions, metadata, before=before, after=after, numbered=numbered)

    def alembic(self, *arguments: str, status: int = 0) -> str:
        """Run one command of Alembic in the project and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.directory,
            env=environment(**self._environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def twindex(self, *arguments: str, status: int = 0) -> Said:
        """Run one command of twindex in the project."""
        said = twindex(*arguments, cwd=self.directory, env=self._environment | {"DATABASE_URL": self.url})
        assert said.status == status, said.out + said.err
        return said

    def documented(self, said: Said) -> Said:
        """Hold that the page about the reader's own database shows each line of this."""
        page = {line.strip() for line in (HERE.parents[1] / "docs" / "your-database.md").read_text().splitlines()}
        with connect(self.url) as connection:
            name = connection.info.dbname
        written = (said.out + said.err).replace(f"database {name}", "database app").splitlines()
        assert [line for line in written if line.strip() not in page] == []
        return said

    def spec(self, table: str) -> Path:
        """Return the file of a table's specs."""
        return self.directory / "index_specs" / f"{table}.yaml"

    def specs(self) -> list[str]:
        """Return the tables that have specs."""
        return [path.stem for path in (self.directory / "index_specs").glob("*.yaml")]

    def forget_specs(self) -> None:
        """Begin without specs."""
        shutil.rmtree(self.directory / "index_specs", ignore_errors=True)

    def newest_path(self) -> Path:
        """Return the file of the revision written last."""
        versions = (self.directory / "migrations" / "versions").glob("*.py")
        return max(versions, key=lambda path: path.stat().st_mtime_ns)

    def newest_revision(self) -> str:
        """Return the text of the revision written last."""
        return self.newest_path().read_text(encoding="utf-8")

    @contextlib.contextmanager
    def stray_index(self, name: str, on: str) -> Generator[None]:
        """Have an index for a while that somebody made."""
        schema = on[: on.index(".") + 1] if "." in on else ""
        with connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE INDEX {name} ON {on}".encode())
            try:
                yield
            finally:
                connection.execute(f"DROP INDEX IF EXISTS {schema}{name}".encode())

    def indexes(self) -> dict[str, str]:
        """Return the definition of each index by its qualified name, all of them valid."""
        with connect(self.url) as connection:
            rows = connection.execute(
                "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS ddl, "
                "i.indisvalid AS valid "
                "FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n "
                "ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1"
            ).fetchall()
        assert all(row["valid"] for row in rows)
        return {row["name"]: row["ddl"] for row in rows}
