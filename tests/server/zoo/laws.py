"""What holds of any database: it is captured, pull is no drift, nothing vanishes unsaid, plans are the live ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from analyzer.capture.capture import capture
from analyzer.checks.drift import find_drift
from analyzer.db import Connection, connect
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.twin.hypothetical.explain import PlanTree
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import run
from tests.server.live_plans import Live, assert_same, outline

#: Of `pg_identify_object`: what no plan rests on, so that a twin without it lacks nothing.
_BESIDE_PLANS = frozenset(
    {
        "trigger", "event trigger", "publication", "publication relation", "publication namespace", "subscription",
        "conversion", "default acl", "user mapping", "server", "foreign-data wrapper", "large object", "transform",
        "language", "procedure", "sequence", "text search template", "text search parser",
    }
)  # fmt: skip
#: What it is called when the server does not show how values are distributed.
_HIDDEN = ("statistics of", "extremes of")
_CATALOGS = """
    SELECT c.oid::regclass::text AS name
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'oid'
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
      AND c.relname NOT IN ('pg_enum', 'pg_largeobject_metadata') -- which hold no objects
    ORDER BY 1
"""
#: What belongs to another object comes and goes with it.
_OBJECTS = """
    SELECT o.type, o.identity, n.object_names AS names
    FROM ({union}) AS a CROSS JOIN LATERAL pg_identify_object(a.classid, a.objid, 0) AS o
    CROSS JOIN LATERAL pg_identify_object_as_address(a.classid, a.objid, 0) AS n
    WHERE NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = a.classid AND d.objid = a.objid AND d.deptype IN ('e', 'i', 'P', 'S')
    ) AND o.identity !~ '^"?(pg_|information_schema|twindex_)'
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.oid = a.objid AND k.contype = 'n')
    AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typtype = 'b' AND a.objid IN (t.typinput, t.typoutput))
    AND NOT EXISTS (
        SELECT FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
        WHERE p.oid = a.objid AND NOT c.relrowsecurity
    )
    ORDER BY 1, 2
"""


def catalogs(connection: Connection) -> list[str]:
    """Return the catalogs of the objects that a database can have."""
    return [row["name"] for row in run(connection, _CATALOGS)]


def objects(connection: Connection) -> dict[str, list[str]]:
    """Return the objects of users by type and identity, each with its names from the outermost."""
    one = "SELECT '{0}'::regclass::oid AS classid, oid AS objid FROM {0} WHERE oid >= 16384"
    union = " UNION ALL ".join(one.format(name) for name in catalogs(connection))
    rows = run(connection, _OBJECTS.replace("{union}", union))
    wanted = (row for row in rows if row["type"] not in _BESIDE_PLANS)
    return {_bare(f"{row['type']} {row['identity']}"): row["names"] for row in wanted}


def breaches(url: str, statements: Sequence[str], *, application: str, directory: Path) -> Iterator[str]:
    """Yield what a database breaks of the laws; row security applies to statements of the role `application`."""
    snapshot = capture(url, statements=False)
    with open_twin(snapshot) as twin:
        yield from drift(snapshot, twin, directory)
        yield from vanished(url, snapshot, twin)
        for statement in statements:
            role = application if twin.built.restricted.applies(statement) else snapshot.server.role
            yield from other_plans(Live(url=url, role=role), twin, statement)


def drift(snapshot: Snapshot, twin: Twin, directory: Path) -> Iterator[str]:
    """Yield what check finds after pull."""
    pulled = pull(snapshot, directory)
    if pulled.files:
        found = find_drift(load_specs(directory), snapshot, twin.canonical)
        for finding in found.findings:
            yield f"check: {finding.code} {finding.object}: {finding.message}"


def vanished(url: str, snapshot: Snapshot, twin: Twin) -> Iterator[str]:
    """Yield what the twin has not and no line tells."""
    with connect(url) as connection:
        live = objects(connection)
    told = _bare("\n".join(gap.what for gap in (*snapshot.not_examined, *lacking(twin))))
    for what in sorted(live.keys() - objects(twin.built.flat.superuser).keys()):
        # What is lost with its table needs no line of its own.
        if not any(_bare(name) in told for name in live[what][1 if len(live[what]) > 2 else -1 :]):
            yield f"vanished: {what}"


def _bare(names: str) -> str:
    """Leave out quotes, which a setting may have put everywhere."""
    return names.replace('"', "")


def other_plans(live: Live, twin: Twin, statement: str) -> Iterator[str]:
    """Yield how the twin's plan of a statement is not the live one, unless the twin tells why it may be."""
    try:
        expected = live.plan(statement)
    except psycopg.Error:
        return
    if twin.obstacle(statement) is not None:
        return
    try:
        found = twin.plan(statement)
    except psycopg.Error as error:
        yield f"refused: {statement}: {str(error).splitlines()[0]}"
        return
    try:
        assert_same(found, expected)
    except AssertionError:
        if not any(name in _bare(statement) for name in _inexact(twin)):
            yield f"planned otherwise: {statement}: {_brief(found.tree)}, live {_brief(expected)}"


def _inexact(twin: Twin) -> set[str]:
    """Return the columns and tables whose statistics the server does not show."""
    gaps = (gap.what for gap in (*twin.snapshot.not_examined, *twin.not_examined))
    return {_bare(what).split(".")[-1].split(" (")[-1].rstrip(")") for what in gaps if what.startswith(_HIDDEN)}


def _brief(tree: PlanTree) -> str:
    return f"{outline(tree)} cost {tree['Total Cost']} rows {tree['Plan Rows']}"
