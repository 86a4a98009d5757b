"""A database whose tables belong to somebody who is up to no good, and a function of his that sings when it is run."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from analyzer.db import connect
from tests.conftest import fresh_database
from tests.server.capture_zoo import run

MALLORY = "mallory"
#: Tries to write the canary, with whatever rights it is given; the second one hides that from the planner.
PLANT = (
    "CREATE SCHEMA app",
    """CREATE FUNCTION app.run(place text) RETURNS int LANGUAGE plpgsql VOLATILE AS $f$
       BEGIN
           EXECUTE format('COPY (SELECT 1) TO %L', current_setting('data_directory') || '/canary_' || place);
           RETURN 1;
       EXCEPTION WHEN insufficient_privilege THEN
           RETURN 1;
       END $f$""",
    """CREATE FUNCTION app.quiet(place text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$
       BEGIN RETURN app.run(place); END $f$""",
    "CREATE TABLE app.fine (id int PRIMARY KEY, b text)",
    "CREATE INDEX ON app.fine (b)",
    "INSERT INTO app.fine SELECT n, 'b' || n FROM generate_series(1, 3000) AS n",
)
#: What makes a table `app.planted` on whose planning or printing the function runs.
TABLE = "CREATE TABLE app.planted (id int PRIMARY KEY, b text, c int)"
ROWS = "INSERT INTO app.planted SELECT n, 'b' || n, n FROM generate_series(1, 3000) AS n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A database whose tables belong to somebody who is up to no good."""

    url: str

    def plant(self, *statements: str) -> None:
        """Have the owner run statements of his own."""
        with connect(self.url, autocommit=True) as connection:
            run(connection, f"SET SESSION AUTHORIZATION {MALLORY}")
            for statement in statements:
                run(connection, statement)

    def sung(self) -> set[str]:
        """Return the canaries that were written."""
        with connect(self.url, autocommit=True) as connection:
            found = run(connection, "SELECT name FROM pg_ls_dir('.') AS d (name) WHERE name LIKE 'canary%'")
        return {row["name"].removeprefix("canary_") for row in found}


@contextlib.contextmanager
def hostile_database(server: str) -> Generator[Hostile]:
    """Create a database in which somebody without rights may create what he likes."""
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            if not run(connection, f"SELECT 1 AS one FROM pg_roles WHERE rolname = '{MALLORY}'"):
                run(connection, f"CREATE ROLE {MALLORY}")
            (database,) = run(connection, "SELECT current_database() AS name")
            run(connection, f"GRANT CREATE ON DATABASE {database['name']} TO {MALLORY}")
            run(connection, f"ALTER DATABASE {database['name']} SET constraint_exclusion = on")
        found = Hostile(url=url)
        found.plant(*PLANT)
        yield found
