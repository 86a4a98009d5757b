"""What `check --health` finds on a real server: what is planted, its remedies, and what a role cannot see."""

from datetime import timedelta

import pytest

from analyzer.capture.capture import capture
from analyzer.config import Config
from analyzer.db import connect
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet
from analyzer.workflows.health import health
from tests.server.capture_zoo import new_role, run

PLANTED = """
    CREATE TABLE parent (id bigint PRIMARY KEY);
    INSERT INTO parent SELECT generate_series(1, 5000);
    CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent, a integer, b integer, c text);
    INSERT INTO child SELECT i, 1 + i % 4000, i % 7, i, 'x' || i FROM generate_series(1, 60000) AS i;
    DELETE FROM parent WHERE id > 4990;
    CREATE INDEX child_a ON child (a);
    CREATE INDEX child_a_again ON child (a);
    CREATE INDEX child_a_b ON child (a, b DESC);
    CREATE INDEX child_once ON child (c, b) WHERE a > 1;
    CREATE INDEX child_twice ON child (c, b) WHERE (a > 1);
    CREATE INDEX child_c ON child (c);
    CREATE INDEX child_c_pattern ON child (c text_pattern_ops);
    CREATE INDEX child_c_bytes ON child (c COLLATE "C");
    CREATE UNIQUE INDEX child_b ON child (b);
    CREATE INDEX child_b_a ON child (b, a);
    CREATE INDEX child_random ON child USING brin (a);
    CREATE TABLE "quo""te %s" ("col ö" integer, other integer);
    CREATE INDEX "i ""1" ON "quo""te %s" ("col ö");
    CREATE INDEX "i ""2" ON "quo""te %s" ("col ö", other);
"""
#: Of the planted: code and object.
EXPECTED = {
    ("TX403", "public.child_a_again"), ("TX403", "public.child_a"), ("TX402", "public.child_twice"),
    ("TX403", 'public."i ""1"'),
    ("TX401", "public.child_c"), ("TX401", "public.child_c_pattern"),
    ("TX401", "public.child_c_bytes"), ("TX401", "public.child_b_a"), ("TX411", "public.child_random"),
    ("TX502", "public.child"), ("TX503", "public.child"), ("TX404", "public.child_broken"),
}  # fmt: skip


@pytest.fixture
def planted(database: str) -> str:
    with connect(database, autocommit=True) as connection:
        for statement in PLANTED.strip().split(";\n"):
            run(connection, statement)
        with pytest.raises(Exception, match="could not create unique index"):
            run(connection, "CREATE UNIQUE INDEX CONCURRENTLY child_broken ON child (a)")
        run(connection, "VACUUM ANALYZE")
    return database


def aged(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot of a server whose counters have run for a month."""
    since = snapshot.captured_at - timedelta(days=30)
    return snapshot.model_copy(update={"server": snapshot.server.model_copy(update={"stats_reset": since})})


def examined(snapshot: Snapshot) -> FindingsDocument:
    return health(snapshot, SpecSet(specs=()), Config())


def about_planted(document: FindingsDocument) -> dict[tuple[str, str], SpecFinding]:
    return {(each.code, each.object): each for each in document.findings if each.code[:3] in {"TX4", "TX5"}}


def test_what_is_planted_is_found_and_nothing_else(planted: str) -> None:
    found = about_planted(examined(aged(capture(planted, statements=False))))
    assert {
        key for key in found if key[0] in {"TX401", "TX402", "TX403", "TX404", "TX411", "TX502", "TX503"}
    } == EXPECTED
    assert "reads all 60,000 rows" in found["TX502", "public.child"].message
    assert "10 rows were deleted there" in found["TX502", "public.child"].message


def test_each_remedy_silences_its_finding_and_its_reverse_brings_it_back(planted: str) -> None:
    def definitions() -> list[str]:
        with connect(planted) as connection:
            rows = run(connection, "SELECT pg_get_indexdef(indexrelid) AS ddl FROM pg_index WHERE indisvalid")
            return sorted(row["ddl"] for row in rows)

    found, before = about_planted(examined(aged(capture(planted, statements=False)))), definitions()
    remedies = {key: each.remedy for key, each in found.items() if each.remedy is not None and key in EXPECTED}
    assert remedies.keys() == EXPECTED - {("TX411", "public.child_random"), ("TX503", "public.child")}
    with connect(planted, autocommit=True) as connection:
        for remedy in remedies.values():
            for statement in remedy.sql:
                run(connection, statement)
    left = about_planted(examined(aged(capture(planted, statements=False))))
    assert not remedies.keys() & left.keys()
    with connect(planted, autocommit=True) as connection:
        for key, remedy in remedies.items():
            for statement in remedy.reverse if key[0] != "TX404" else ():
                run(connection, statement)
    assert definitions() == before


def test_a_role_that_sees_no_values_proves_nothing_by_them(planted: str) -> None:
    with new_role(planted, "pg_monitor") as role:
        url = planted.replace("postgres@", f"{role}@")
        document = examined(aged(capture(url, statements=False)))
    found = about_planted(document)
    assert ("TX411", "public.child_random") not in found
    (brin,) = (each for each in document.checks if each.code == "TX411")
    assert (brin.skipped, brin.skipped_because) == (
        1, ("the server does not show how its values follow the order of the rows",)
    )  # fmt: skip
    assert {key for key in found if key[0] in {"TX402", "TX403", "TX404"}} == {
        key for key in EXPECTED if key[0] in {"TX402", "TX403", "TX404"}
    }
