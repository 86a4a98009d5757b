"""Every command on a database that nobody designed for it: pgbench's tables and one with awkward names."""

import json
import re
import secrets
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command as alembic
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from analyzer.twin.server.cluster import find_binaries
from tests.acceptance.command_line import environment, twindex
from tests.acceptance.document_schema import follows
from tests.conftest import database_url, fresh_database

ROLE = f"twindex_reader_{secrets.token_hex(4)}"
SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Order Items" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Größe" text NOT NULL, "order" integer NOT NULL,
    details jsonb NOT NULL, body text NOT NULL, search tsvector NOT NULL, created timestamptz NOT NULL);
INSERT INTO "My Shop"."Order Items" ("Größe", "order", details, body, search, created)
SELECT 'size ' || i % 500, i % 9000, jsonb_build_object('colour', 'c' || i % 2000, 'n', i), 'text ' || i,
       to_tsvector('simple', 'word' || i % 3000 || ' common'), timestamptz '2026-01-01' + i * interval '1 minute'
FROM generate_series(1, 40000) AS i;
CREATE TABLE "My Shop"."Parent" (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE "My Shop"."Child" (
    id integer PRIMARY KEY, "pA" integer, "pB" integer, note text,
    FOREIGN KEY ("pA", "pB") REFERENCES "My Shop"."Parent" ON DELETE CASCADE);
INSERT INTO "My Shop"."Parent" SELECT i, i % 7 FROM generate_series(1, 3000) AS i;
INSERT INTO "My Shop"."Child" SELECT i, i % 3000 + 1, (i % 3000 + 1) % 7, repeat('n', 60)
FROM generate_series(1, 40000) AS i;
VACUUM ANALYZE;
SELECT pg_stat_statements_reset()
"""
QUERIES = (
    ("""SELECT "Id", "Größe" FROM "My Shop"."Order Items" WHERE "Größe" = %s AND "order" = %s""", ("size 7", 7)),
    ("""SELECT "Id" FROM "My Shop"."Order Items" WHERE details @> %s::jsonb""", ('{"colour": "c5"}',)),
    ("""SELECT "Id" FROM "My Shop"."Order Items" WHERE search @@ to_tsquery('simple', %s)""", ("word17",)),
    ("""SELECT "Id" FROM "My Shop"."Order Items" WHERE "order" = %s ORDER BY created DESC LIMIT 5""", (17,)),
    ("SELECT count(*) FROM pgbench_accounts WHERE bid = %s AND abalance < %s", (2, -4000)),
    ("SELECT aid FROM pgbench_accounts WHERE filler = %s", ("nothing",)),
    ("SELECT 1", None),
    ("SELECT relname FROM pg_catalog.pg_class WHERE oid = %s", (1,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The database as its owner and as the least-privileged role, and a snapshot of it."""

    owner: str
    reader: str
    snapshot: Path


def work(url: str, first: int) -> None:
    """Run every statement some times; deletes begin at a parent of their own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for query, values in QUERIES * 4:
            connection.execute(query.encode(), values)
        for number in range(first, first + 5):
            connection.execute('DELETE FROM "My Shop"."Parent" WHERE a = %s', (number,))


def pgbench(url: str, *options: str) -> None:
    program = find_binaries().bin_dir / "pgbench"
    subprocess.run([program, *options, url], check=True, capture_output=True, env=environment())


@pytest.fixture(scope="module")
def shop(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with fresh_database(server) as owner:
        pgbench(owner, "-i", "-q", "-s", "5")
        with psycopg.connect(owner, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
            connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'r' IN ROLE pg_monitor, pg_read_all_data".encode())
        pgbench(owner, "-n", "-t", "60", "-M", "prepared")
        work(owner, 1)
        reader = make_conninfo(owner, user=ROLE, password="r" if conninfo_to_dict(owner).get("password") else None)
        snapshot = tmp_path_factory.mktemp("shop") / "before.snapshot"
        said = twindex("capture", "-d", reader, "-o", snapshot, cwd=snapshot.parent, env={"PGPASSWORD": "r"})
        assert said.status == 0, said.err
        assert said.out == ""
        yield Shop(owner=owner, reader=reader, snapshot=snapshot)
    with psycopg.connect(database_url(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {ROLE}".encode())


def proposals(shop: Shop, tmp_path: Path, *options: str | Path) -> list[dict[str, Any]]:
    said = twindex("propose", shop.snapshot, "--format", "json", *options, cwd=tmp_path)
    assert said.status == 0, said.err
    assert said.err == ""
    return json.loads(said.out)["proposals"]


def test_snapshot_is_private_and_says_what_it_holds(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "again.snapshot"
    said = twindex("capture", "-d", shop.reader, "-o", output, cwd=tmp_path)
    assert re.search(r"again\.snapshot: \d+ tables, \d+ indexes, \d+ statements, \d+ kB", said.err)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert twindex("capture", "-d", shop.reader, "-o", output, "--quiet", cwd=tmp_path).err == ""


def test_proposals_serve_what_was_asked(shop: Shop, tmp_path: Path) -> None:
    found = {(each["table"], each["ddl"].partition(" USING ")[2]): each for each in proposals(shop, tmp_path)}
    items = '"My Shop"."Order Items"'
    assert (items, "gin (details jsonb_path_ops)") in found
    assert (items, "gin (search)") in found
    keys = [ddl for table, ddl in found if table == items and "btree" in ddl]
    assert any(ddl.startswith('btree ("order"') for ddl in keys)
    child = next(each for (table, _), each in found.items() if table == '"My Shop"."Child"')
    assert '("pA", "pB")' in child["ddl"]
    assert "DELETE" in child["statements"][0]["query"]
    assert not [table for table, _ in found if "pg_catalog" in table]
    costs = [(each["cost_before"], each["cost_after"]) for each in found.values()]
    assert all(before > after for before, after in costs)
    assert [after for _, after in costs][:-1] == [before for before, _ in costs][1:]


@pytest.mark.slow
def test_same_snapshot_gives_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    runs = [twindex("propose", shop.snapshot, cwd=tmp_path).out for _ in range(2)]
    assert runs[0] == runs[1] != ""
    assert "\x1b" not in runs[0]
    assert re.search(r"\d+ statements? reads? no table", twindex("report", shop.snapshot, cwd=tmp_path).out)


def test_limits_hold(shop: Shop, tmp_path: Path) -> None:
    everything = proposals(shop, tmp_path)
    assert len(proposals(shop, tmp_path, "--max", "2")) == 2
    sizes = sorted(each["size_bytes"] for each in everything)
    budget = sizes[0] + sizes[1]
    limited = proposals(shop, tmp_path, "--budget", f"{budget}B")
    assert 0 < sum(each["size_bytes"] for each in limited) <= budget
    hurried = twindex("propose", shop.snapshot, "--seconds", "0.000001", cwd=tmp_path)
    assert hurried.status == 0
    assert "the time limit of 1e-06 s was reached" in hurried.out


def test_workload_of_a_file_is_used_instead(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "wanted.sql"
    body = """SELECT body FROM "My Shop"."Order Items" WHERE body = 'text 5'"""
    file.write_text(f"SELECT * FROM pgbench_history WHERE tid = 3;\nVACUUM;\n{body};")
    said = twindex("propose", shop.snapshot, "--workload", file, "--format", "json", cwd=tmp_path)
    document = json.loads(said.out)
    assert [each["table"] for each in document["proposals"]] == ['"My Shop"."Order Items"']
    assert "(body)" in document["proposals"][0]["ddl"]
    assert {"the statement in line 2"} <= {gap["what"] for gap in document["not_examined"]}


@pytest.mark.slow
def test_whatif_takes_indexes_as_people_write_them(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    queries = (
        'SELECT * FROM "My Shop"."Order Items" WHERE body = \'text 9\';\nSELECT * FROM pgbench_accounts WHERE aid=1;'
    )
    file.write_text(queries)
    for create in (
        'CREATE INDEX ON "My Shop"."Order Items" (body)',
        'create index concurrently if not exists "By Body" on "My Shop"."Order Items" using hash (body);',
        'CREATE INDEX by_body ON "My Shop"."Order Items" (body text_pattern_ops) WHERE body <> \'\'',
    ):
        said = twindex("whatif", shop.snapshot, "-q", file, "--create", create, "--format", "json", cwd=tmp_path)
        assert said.status == 0, said.err
        first, second = json.loads(said.out)["statements"]
        assert first["cost_after"] < first["cost_before"] / 10
        assert second["cost_after"] == second["cost_before"]
    drop = ("--drop", "public.pgbench_accounts_pkey")
    said = twindex("whatif", shop.snapshot, "-q", "-", *drop, "--format", "json", cwd=tmp_path, stdin=queries)
    first, second = json.loads(said.out)["statements"]
    assert second["cost_after"] > second["cost_before"] * 100
    assert first["cost_after"] == first["cost_before"]
    text = twindex("whatif", shop.snapshot, "-q", "-", *drop, cwd=tmp_path, stdin=queries)
    assert "Seq Scan" in text.out


def test_whatif_of_recorded_statements_and_of_what_cannot_be_planned(shop: Shop, tmp_path: Path) -> None:
    said = twindex("whatif", shop.snapshot, "--format", "json", cwd=tmp_path)
    document = json.loads(said.out)
    assert document["total_before"] == document["total_after"] > 0
    said = twindex("whatif", shop.snapshot, "-q", "-", "--format", "json", cwd=tmp_path, stdin="SELECT * FROM nowhere")
    assert said.status == 3
    assert "none of the statements could be planned" in said.err
    assert "nowhere" in json.loads(said.out)["statements"][0]["error"]


@pytest.mark.slow
def test_report_in_every_format_follows_its_schema(shop: Shop, tmp_path: Path) -> None:
    names = ("r.txt", "r.md", "r.json", "r.html")
    said = twindex("report", shop.snapshot, *(f"-o{tmp_path / name}" for name in names), "--quiet", cwd=tmp_path)
    assert (said.status, said.out, said.err) == (0, "", "")
    texts = {name: (tmp_path / name).read_text(encoding="utf-8") for name in names}
    assert all("Größe" in text for text in texts.values())
    assert not [name for name, text in texts.items() if "pg_stat_statements_reset" in text or "\x1b" in text]
    document = json.loads(texts["r.json"])
    follows(document, "report")
    assert document["tableless"] > 0
    share = sum(statement["share_of_time"] for statement in document["statements"])
    assert 0 < share < 1
    for command in ("propose", "whatif"):
        follows(json.loads(twindex(command, shop.snapshot, "--format", "json", cwd=tmp_path).out), command)


def test_proposals_become_specs_a_revision_a_database_and_a_verification(shop: Shop, tmp_path: Path) -> None:
    written = twindex("propose", shop.snapshot, "--write", "--specs", "specs", cwd=tmp_path)
    assert written.status == 0, written.err
    specs = tmp_path / "specs"
    assert (specs / "schema.json").is_file()
    files = sorted(specs.glob("*.yaml"))
    assert len(files) == written.err.count("wrote ")
    before = {path.name: path.read_bytes() for path in specs.iterdir()}
    again = twindex("propose", shop.snapshot, "--write", "--specs", "specs", "--format", "json", cwd=tmp_path)
    assert json.loads(again.out)["proposals"] == []
    assert {path.name: path.read_bytes() for path in specs.iterdir()} == before
    for path in files:
        path.write_text(
            path.read_text(encoding="utf-8").replace("state: proposed", "state: approved"), encoding="utf-8"
        )

    config = alembic_project(tmp_path, shop.owner)
    revised = twindex("revise", "-m", "proposed indexes", "--specs", "specs", "-d", shop.reader, cwd=tmp_path)
    assert revised.status == 0, revised.err
    assert Path(revised.out.strip()).is_file()
    alembic.upgrade(config, "head")
    nothing = twindex("revise", "-m", "again", "--specs", "specs", "-d", shop.reader, cwd=tmp_path)
    assert nothing.out == "nothing to do: the database matches the specs\n"

    with psycopg.connect(shop.owner, autocommit=True) as connection:
        connection.execute("ANALYZE")
        connection.execute("SELECT pg_stat_statements_reset()")
    work(shop.owner, 100)
    said = twindex("verify", "-d", shop.reader, "--against", shop.snapshot, "--format", "json", cwd=tmp_path)
    assert said.status == 0, said.err
    document = json.loads(said.out)
    follows(document, "report")
    checked = document["verification"]
    assert len(checked["indexes_added"]) == sum(path.read_text(encoding="utf-8").count("- name:") for path in files)
    assert checked["speed_up"] > 1
    assert not [s for s in checked["statements"] if "pg_class" in s["query"] or s["query"] == "SELECT $1"]
    by_query = {statement["query"]: statement for statement in checked["statements"]}
    jsonb = next(statement for query, statement in by_query.items() if "@>" in query)
    assert jsonb["predicted_ratio"] > 2
    assert jsonb["ratio"] > 2
    skipped = next(check for check in document["checks"] if check["code"] == "TX901")["skipped"]
    assert skipped > 0, "pgbench's own statements did not run again"
    readable = twindex("verify", "-d", shop.reader, "--against", shop.snapshot, cwd=tmp_path).out
    assert re.match(r"With \d+ indexes the workload runs .*faster", readable)


def alembic_project(directory: Path, url: str) -> Config:
    """Make a fresh project and add the one line that the guide asks for."""
    with open(directory / "init.log", "w", encoding="utf-8") as log:  # noqa: PTH123 - alembic wants the file object
        quiet = Config(directory / "alembic.ini", stdout=log)
        alembic.init(quiet, str(directory / "migrations"))
    env = directory / "migrations" / "env.py"
    env.write_text("import analyzer.migrate.alembic_plugin\n" + env.read_text(encoding="utf-8"), encoding="utf-8")
    config = Config(directory / "alembic.ini")
    config.set_main_option("sqlalchemy.url", as_sqlalchemy(url).replace("%", "%%"))
    return config


def as_sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def test_nothing_to_gain_is_said_and_is_fine(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    empty = twindex("propose", "-d", database, "--allow-superuser", cwd=tmp_path)
    assert empty.status == 0, empty.err
    assert empty.out.startswith("No index is proposed\n")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE small (id integer PRIMARY KEY, name text)")
        connection.execute("INSERT INTO small SELECT i, 'n' || i FROM generate_series(1, 50) AS i")
        connection.execute("ANALYZE")
        for number in range(20):
            connection.execute("SELECT name FROM small WHERE id = %s", (number,))
            connection.execute("SELECT id FROM small WHERE name = %s", (f"n{number}",))
    small = twindex("propose", "-d", database, "--allow-superuser", "--write", "--specs", "specs", cwd=tmp_path)
    assert small.status == 0, small.err
    assert small.out.startswith("No index is proposed\n")
    assert not (tmp_path / "specs").exists()
    assert twindex("report", "-d", database, "--allow-superuser", "-o", "r.html", cwd=tmp_path).status == 0
    assert (tmp_path / "r.html").is_file()
