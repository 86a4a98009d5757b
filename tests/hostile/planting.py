"""Plants: what an owner of a part of a schema puts there to be run by who reads it, or plans on a copy of it.

`plants/NAME.sql` is one place, in a schema of its own. Its head says what is asked about it, and where the code in it
runs when nothing contains it; where that is nowhere, why.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from analyzer.db import Connection, connect
from analyzer.postgres.lex import lex
from tests.hostile.canaries import Canaries

HERE = Path(__file__).parent
ATTACKER = "mallory"
#: What the documentation tells to capture as.
READER = "reader"
#: A superuser prepares: the attacker may create schemas, and nothing else.
PREPARED = (
    f"CREATE ROLE {ATTACKER} LOGIN",
    f"CREATE ROLE {READER} LOGIN IN ROLE pg_monitor, pg_read_all_data",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EXTENSION dblink",
    "CREATE SCHEMA hr",
    "CREATE TABLE hr.salaries (amount integer)",
    "INSERT INTO hr.salaries VALUES (4711)",
)
_HEAD = re.compile(r"^-- (asks|by|needs|refused|twin|production|unguarded): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One place."""

    name: str
    text: str
    by_superuser: bool
    #: Statements that a workload holds.
    asks: tuple[str, ...]
    #: What a reader of the database that guards against nothing could send.
    unguarded: tuple[str, ...]
    #: Why nothing in a twin, or in a database that is read, can run it; None where something does.
    twin_silence: str | None
    production_silence: str | None
    #: What PostgreSQL says where it takes no such thing at all.
    refusal: str | None
    needs_libxml: bool


def load_plants(canaries: Canaries) -> tuple[Plant, ...]:
    """Read all plants; the canaries are told where they are to sing."""
    return tuple(_load(path, canaries) for path in sorted((HERE / "plants").glob("*.sql")))


def _load(path: Path, canaries: Canaries) -> Plant:
    text = canaries.placed(path.read_text()).replace("{place}", path.stem)
    said: dict[str, list[str]] = {}
    for match in _HEAD.finditer(text):
        said.setdefault(match[1], []).append(match[2])
    silences = {name: _silence(said.get(name)) for name in ("twin", "production")}
    canaries.lay_bait(path.stem)
    return Plant(
        name=path.stem,
        text=text,
        by_superuser=said.get("by") == ["superuser"],
        asks=tuple(said.get("asks", ())),
        unguarded=tuple(said.get("unguarded", ())),
        twin_silence=silences["twin"],
        production_silence=silences["production"],
        needs_libxml="needs" in said,
        refusal=said["refused"][0] if "refused" in said else None,
    )


def _silence(said: list[str] | None) -> str | None:
    if said is None:
        return None
    assert said[0].startswith("silent: ")
    return said[0].removeprefix("silent: ")


def plant_all(database: str, plants: tuple[Plant, ...], canaries: Canaries) -> None:
    """Plant everything in an empty database, and let its owner ask, so that there are recorded statements."""
    with connect(database, autocommit=True) as superuser:
        for statement in PREPARED:
            superuser.execute(statement.encode())
        name = superuser.info.dbname
        superuser.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO mallory").format(sql.Identifier(name)))
        with connect(with_role(database, ATTACKER), autocommit=True) as attacker:
            _run(attacker, canaries.placed((HERE / "prelude.sql").read_text()))
            for plant in plants:
                _plant(superuser if plant.by_superuser else attacker, plant)
            attacker.execute("RESET search_path")
            attacker.execute("ANALYZE")
            ask_all(attacker, plants)


def _plant(connection: Connection, plant: Plant) -> None:
    connection.execute("RESET search_path")
    if plant.refusal is None:
        _run(connection, f"CREATE SCHEMA {plant.name}; SET search_path = {plant.name}, public; {plant.text}")
        if plant.by_superuser:
            _run(connection, f"GRANT USAGE ON SCHEMA {plant.name} TO PUBLIC; ")
            _run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA {plant.name} TO PUBLIC")
        return
    refused = f"BEGIN; CREATE SCHEMA {plant.name}; SET search_path = {plant.name}; {plant.text}"
    with pytest.raises(psycopg.Error, match=plant.refusal):
        _run(connection, refused)
    _run(connection, "ROLLBACK")


def ask_all(attacker: Connection, plants: tuple[Plant, ...]) -> None:
    """Run, as the attacker, the statements that the plants are about, so that they are recorded."""
    for ask in asked(plants):
        try:
            _run(attacker, ask)
        except psycopg.Error:
            if attacker.closed:
                raise


def _run(connection: Connection, text: str) -> None:
    connection.execute(text.encode(), prepare=False)


def with_role(database: str, role: str) -> str:
    """Return the URL for another role of the same database."""
    return make_conninfo(database, user=role)


def has_libxml(connection: Connection) -> bool:
    """Say whether a server can read what a view holds by table_to_xml()."""
    try:
        connection.execute("SELECT table_to_xml('pg_am'::regclass, true, false, '')")
    except psycopg.Error:
        return False
    return True


def asked(plants: tuple[Plant, ...]) -> Iterator[str]:
    """Yield what a workload asks about the plants, and what is no statement at all."""
    for plant in plants:
        if plant.refusal is None:
            yield from plant.asks


def workload_of(plants: tuple[Plant, ...]) -> str:
    """Return a file of statements; what cannot be split into some is left out."""
    return "".join(f"{ask};\n" for ask in asked(plants) if lex(ask))
