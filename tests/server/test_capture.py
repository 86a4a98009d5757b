"""What a capture reads of a real server, on the embedded PostgreSQL and, where it is installed, on Debian's 15."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.errors import CapabilityError
from analyzer.migrate.deploy.create_index import by_value
from analyzer.twin.server import cluster
from tests.server.capture_zoo import as_role, build, new_database, new_role, run
from tests.server.servers import PACKAGED, server_of


@pytest.fixture(scope="module", params=PACKAGED)
def any_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a server of each available major version."""
    with server_of(request) as url:
        yield url


@pytest.fixture(scope="module")
def zoo(any_server: str) -> Iterator[str]:
    """URL of the zoo, to be read only."""
    with new_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            build(connection)
        yield url


@pytest.fixture
def empty(any_server: str) -> Iterator[str]:
    """URL of an empty database."""
    with new_database(any_server) as url:
        yield url


@pytest.fixture(scope="module")
def captured(zoo: str) -> Snapshot:
    """The zoo's snapshot, taken by a superuser."""
    return capture(zoo)


@pytest.fixture
def role(zoo: str) -> Iterator[str]:
    """A role without privileges beyond pg_monitor and CONNECT."""
    with new_role(zoo, "pg_monitor") as name:
        yield name


def index(snapshot: Snapshot, name: str) -> Index:
    """Return the index of that name."""
    return next(found for found in snapshot.indexes if found.definition.name == name)


def reasons(snapshot: Snapshot) -> dict[str, str]:
    """Return what was not examined, by name."""
    return {part.what: part.reason for part in snapshot.not_examined}


def in_order(ddl: str) -> str:
    """Sort the storage parameters of CREATE INDEX: their order means nothing, and IndexDef keeps them sorted."""
    return re.sub(r"WITH \((.*?)\)", lambda match: f"WITH ({', '.join(sorted(match[1].split(', ')))})", ddl)


def test_every_index_is_what_its_definition_builds(zoo: str, captured: Snapshot) -> None:
    checked = 0
    with connect(zoo) as connection:
        for found in captured.indexes:
            if found.constraint is not None or found.parent is not None:
                continue
            run(connection, f"DROP INDEX {found.definition.qualified_name}")
            run(connection, found.definition.ddl())
            run(connection, "SELECT set_config('search_path', '', true)")
            (row,) = run(
                connection, "SELECT pg_get_indexdef(%(name)s::regclass) AS ddl", name=found.definition.qualified_name
            )
            connection.rollback()
            assert by_value(in_order(row["ddl"])) == by_value(in_order(found.ddl))
            checked += 1
    assert checked >= 22


def test_default_operator_classes_and_collations_stay_unsaid(captured: Snapshot) -> None:
    assert [key.opclass for key in index(captured, "i_multi").definition.keys] == [None, None, None]
    assert index(captured, "i_path").definition.keys[0].opclass == "jsonb_path_ops"
    assert index(captured, "i_trigram").definition.keys[0].opclass == "gin_trgm_ops"
    assert index(captured, "i_siglen").definition.keys[0].opclass_parameters == (("siglen", "32"),)
    assert [key.collation for key in index(captured, "i_collation").definition.keys] == ["C", "POSIX"]
    assert index(captured, "i_expression_collation").definition.keys[0].collation == "POSIX"
    assert index(captured, "i_inner_collation").definition.keys[0].collation is None
    expressions = [key.expression for key in index(captured, "i_expression").definition.keys]
    assert expressions == ["doc ->> 'brand'::text", "lower(name)", "born - 1"]
    assert "\n" not in str(index(captured, "i_case").definition.keys[0].expression)
    where = index(captured, "i_partial").definition.where
    assert where is not None
    assert where.startswith("active AND (")


def test_relations_are_captured_with_all_that_plans_depend_on(captured: Snapshot) -> None:
    kinds = {(relation.schema_name, relation.name): relation.kind for relation in captured.relations}
    assert kinds["sales", "customer"] == "r"
    assert kinds["sales", "event"] == "p"
    assert kinds["sales", "happy"] == "v"
    assert kinds["sales", "moods"] == "m"
    assert kinds["sales", "far"] == "f"
    assert kinds["Odd Schema", 'Mixed "Case'] == "r"
    assert not any(name.startswith("pg_stat_statements") for _, name in kinds)
    customer = captured.relation("sales", "customer")
    assert customer is not None
    columns = {column.name: column for column in customer.columns}
    assert "dropped" not in columns
    assert customer.dropped_columns == (11,)
    assert columns["id"].identity == "a"
    assert columns["twice"].generated == "s"
    assert columns["email"].type == "sales.email"
    assert columns["code"].type == "character varying(20)"
    assert columns["name"].collation == 'pg_catalog."C"'
    assert columns["name"].statistics_target == 250
    assert columns["born"].statistics_target is None
    assert customer.tuples == 3000
    assert customer.size_bytes == customer.pages * 8192
    assert customer.total_size_bytes is not None
    assert customer.total_size_bytes > customer.pages * 8192
    assert customer.activity is not None
    assert customer.activity.rows_inserted == 3000


def test_constraints_partitions_and_parents(captured: Snapshot) -> None:
    mixed = captured.relation("Odd Schema", 'Mixed "Case')
    assert mixed is not None
    foreign = next(constraint for constraint in mixed.constraints if constraint.kind == "f")
    assert (foreign.referenced_schema, foreign.referenced_table) == ("sales", "customer")
    assert (foreign.columns, foreign.referenced_columns) == (("customer",), ("id",))
    assert (foreign.on_delete, foreign.on_update, foreign.index) == ("c", "r", None)
    assert {constraint.kind for constraint in mixed.constraints} == {"p", "f", "x"}
    partition = captured.relation("sales", "event_2025")
    assert partition is not None
    assert partition.parents == (("sales", "event"),)
    assert partition.partition_bound == "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    assert all(constraint.inherited for constraint in partition.constraints)
    event = captured.relation("sales", "event")
    assert event is not None
    assert event.partition_key == "RANGE (at)"
    assert event.size_bytes is None
    child = next(found for found in captured.indexes if found.parent == ("sales", "i_event"))
    assert child.definition.table in {"event_2025", "event_rest"}
    assert {row.inherited for row in captured.statistics if row.relation == "event"} == {True}


def test_types_and_functions(captured: Snapshot) -> None:
    types = {found.name: found for found in captured.types}
    assert types["mood"].labels == ("sad", "it's ok", "happy")
    assert types["email"].base_type == "text"
    assert types["email"].not_null
    assert types["email"].checks == (("has_at", "CHECK ((VALUE ~~ '%@%'::text))"),)
    assert types["point3"].attributes[2] == ("Z", "numeric(5,2)")
    assert types["floatrange"].base_type == "double precision"
    (function,) = captured.functions
    assert "COST 7" in function.definition
    assert "aggregate" in {each.kind for each in captured.objects if each.name == "total"}


def test_statistics_of_columns_expressions_and_extremes(captured: Snapshot) -> None:
    brand = next(row for row in captured.statistics if row.relation == "i_expression" and row.column == "expr")
    assert brand.distinct == 50
    assert brand.column == index(captured, "i_expression").column_names[0]
    tags = next(row for row in captured.statistics if row.relation == "customer" and row.column == "tags")
    assert tags.most_common_elements is not None
    extremes = {(found.table, found.column): (found.minimum, found.maximum) for found in captured.extremes}
    assert extremes["customer", "id"] == ("1", "3000")
    assert extremes["customer", "mood"] == ("sad", "happy")
    assert extremes["customer", "born"] == ("1950-01-02", "1958-03-20")
    assert extremes['Mixed "Case', "per%cent"] == ("0", "99")
    assert extremes["event_2025", "at"] == ("2025-01-01", "2025-12-31")
    assert extremes["empty", "a"] == (None, None)
    assert ("event", "at") not in extremes


def test_the_same_database_gives_the_same_bytes(zoo: str, tmp_path: Path) -> None:
    first, second = capture(zoo), capture(zoo)
    assert first.captured_at < second.captured_at
    assert first == second.model_copy(update={"captured_at": first.captured_at})
    snapshots.dump(first, tmp_path / "one.gz")
    snapshots.dump(snapshots.load(tmp_path / "one.gz"), tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


@pytest.fixture
def tall(empty: str) -> str:
    """URL of a database with btree indexes of heights 0 to 3, some hard to make the planner choose."""
    with connect(empty, autocommit=True) as connection:
        for statement in (
            "CREATE EXTENSION pageinspect",
            'CREATE TABLE tall (id int, thin int, wide text, "Odd Col" text)',
            "ALTER TABLE tall ALTER wide SET STORAGE PLAIN",
            """INSERT INTO tall SELECT g, g % 100, repeat('x', 250) || to_char(g, '000000'), 'odd' || g
               FROM generate_series(1, 20000) AS g""",
            "CREATE TABLE small (id int PRIMARY KEY)",
            "INSERT INTO small VALUES (1), (2)",
            "CREATE INDEX h_partial_one ON tall (wide) WHERE id < 30",
            "CREATE INDEX h_partial ON tall (thin, id) WHERE thin > 50",
            "CREATE INDEX h_partial_constant ON tall (thin, wide) WHERE thin = 7",
            "CREATE INDEX h_wide ON tall (wide)",
            "CREATE INDEX h_thin ON tall (thin)",
            "CREATE INDEX h_thin_wide ON tall (thin DESC NULLS LAST, wide)",
            "CREATE INDEX h_pattern ON tall (wide text_pattern_ops, id)",
            'CREATE INDEX h_odd ON tall ("Odd Col" COLLATE "POSIX" DESC)',
            "CREATE INDEX h_expression ON tall (lower(wide), (id + 1))",
            'CREATE INDEX h_expression_collation ON tall ((wide || thin) COLLATE "POSIX")',
            "CREATE INDEX h_cover ON tall (id) INCLUDE (wide)",
            "CREATE INDEX h_id_thin ON tall (id, thin)",
            "VACUUM ANALYZE",
            "DELETE FROM tall WHERE id > 100 AND thin = 3",
        ):
            run(connection, statement)
    return empty


def test_heights_from_the_planner_are_those_of_the_metapages(tall: str) -> None:
    with connect(tall, autocommit=True) as connection:
        truth = {
            row["name"]: row["height"]
            for row in run(
                connection,
                """SELECT c.relname AS name, m.fastlevel AS height
                   FROM pg_class AS c CROSS JOIN LATERAL bt_metap(c.oid::regclass::text) AS m
                   WHERE c.relname LIKE 'h\\_%' OR c.relname = 'small_pkey' ORDER BY 1""",
            )
        }
    assert {0, 1, 2, 3} <= set(truth.values())
    by_superuser = {found.definition.name: found.height for found in capture(tall, statements=False).indexes}
    with new_role(tall, "pg_read_all_data") as role:
        snapshot = capture(as_role(tall, role), statements=False)
    by_planner = {found.definition.name: found.height for found in snapshot.indexes}
    assert by_superuser == truth
    assert by_planner == truth


def test_a_monitoring_role_sees_the_catalog_and_is_told_what_it_misses(zoo: str, role: str) -> None:
    with connect(zoo, autocommit=True) as connection:
        run(connection, f"GRANT USAGE ON SCHEMA sales TO {role}")
        run(connection, f"GRANT SELECT ON sales.animal, sales.cat TO {role}")
        run(connection, f"GRANT SELECT (id, born) ON sales.customer TO {role}")
    snapshot = capture(as_role(zoo, role))
    assert {row.relation for row in snapshot.statistics} <= {"animal", "cat", "customer"}
    assert {row.column for row in snapshot.statistics if row.relation == "customer"} == {"id", "born"}
    said = reasons(snapshot)
    hidden = next(what for what in said if what.startswith("statistics of sales.customer ("))
    assert "mood" in hidden
    assert "born" not in hidden
    table = 'statistics of "Odd Schema"."Mixed ""Case"'
    assert 'GRANT SELECT ON "Odd Schema"."Mixed ""Case"' in said[table]
    assert "statistics of the expressions of index sales.i_expression" in said
    assert "statistics of sales.cat" not in said
    assert {(found.table, found.column) for found in snapshot.extremes} == {("customer", "id"), ("customer", "born")}
    assert len(snapshot.indexes) == len(capture(zoo).indexes)


def without_heights(snapshot: Snapshot) -> list[Index]:
    """Return the indexes as if nothing could be told of their pages; test_twin compares what is told of GIN."""
    return [found.model_copy(update={"height": None, "gin": None}) for found in snapshot.indexes]


def test_the_documented_role_sees_what_a_superuser_sees_and_leaves_no_trace(zoo: str, role: str) -> None:
    with connect(zoo, autocommit=True) as connection:
        run(connection, f"GRANT pg_read_all_data TO {role}")
        run(connection, f"GRANT SET ON PARAMETER track_counts TO {role}")
    whole = capture(zoo)
    seen = capture(as_role(zoo, role))
    again = capture(zoo)
    assert seen.server.role == role
    assert not seen.server.is_superuser
    assert seen.server.reads_all_statistics
    # The planner prefers a compact index to a bloated one in the same order, whose height it then keeps to itself.
    btrees = [found for found in seen.indexes if found.definition.method == "btree" and found.size_bytes is not None]
    assert {found.definition.name for found in btrees if found.height is None} <= {"code_once"}
    assert without_heights(seen) == without_heights(whole) == without_heights(again)
    heights = {found.definition.name: found.height for found in whole.indexes}
    assert all(found.height in {heights[found.definition.name], None} for found in seen.indexes)
    for part in ("settings", "relations", "statistics", "extremes", "statements"):
        assert getattr(seen, part) == getattr(whole, part) == getattr(again, part), part
    # Which only a superuser reads where another index is cheaper.
    unknown = [gap for gap in seen.not_examined if gap.what.startswith("page counts of index ")]
    assert [gap.what for gap in unknown] == ["page counts of index sales.i_trigram"]
    assert tuple(gap for gap in seen.not_examined if gap not in unknown) == whole.not_examined == again.not_examined
    with connect(zoo, autocommit=True) as connection:
        run(connection, f"REVOKE SET ON PARAMETER track_counts FROM {role}")


def test_row_security_is_named(zoo: str, role: str) -> None:
    with connect(zoo, autocommit=True) as connection:
        run(connection, f"GRANT pg_read_all_data TO {role}")
        run(connection, "ALTER TABLE sales.cat ENABLE ROW LEVEL SECURITY")
        try:
            assert "BYPASSRLS" in reasons(capture(as_role(zoo, role)))["statistics of sales.cat"]
        finally:
            run(connection, "ALTER TABLE sales.cat DISABLE ROW LEVEL SECURITY")


def test_a_locked_table_is_skipped_and_named(zoo: str, captured: Snapshot) -> None:
    with connect(zoo) as holder:
        run(holder, "LOCK TABLE sales.customer IN ACCESS EXCLUSIVE MODE")
        snapshot = capture(zoo)
        holder.rollback()
    skipped = {relation.name for relation in captured.relations} - {relation.name for relation in snapshot.relations}
    assert skipped == {"customer", "happy", "happier", "moods"}
    said = reasons(snapshot)
    assert "ACCESS EXCLUSIVE" in said["table sales.customer"]
    assert "view sales.happy" in said
    assert snapshot.relation("Odd Schema", 'Mixed "Case') is not None


def test_a_capture_holds_no_lock_on_tables_between_its_questions(zoo: str) -> None:
    seen: list[int] = []
    query = """SELECT count(*) AS locks FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
               WHERE a.application_name = 'twindex capture' AND a.datname = current_database()
                 AND l.locktype = 'relation' AND l.relation >= 16384"""

    with connect(zoo, autocommit=True) as watcher:
        capture(zoo, progress=lambda _: seen.append(run(watcher, query)[0]["locks"]))
    assert len(seen) >= 4
    assert set(seen) == {0}


def test_statements_are_summed_over_roles_and_leave_out_ours(empty: str) -> None:
    with connect(empty, autocommit=True) as connection, new_role(empty) as role:
        for statement in (
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE t (a int, b text)",
            f"GRANT SELECT ON t TO {role}",
            "SELECT b FROM t WHERE a = 1",
            "/* hello */ (SELECT a FROM t LIMIT 3)",
            "WITH x AS (SELECT 1 AS y) INSERT INTO t SELECT y FROM x",
            "SET work_mem = '5MB'",
            "CREATE TABLE u AS SELECT * FROM t WHERE b = 'hush'",
        ):
            run(connection, statement)
        with connect(as_role(empty, role), autocommit=True) as other:
            run(other, "SELECT b FROM t WHERE a = 2")
        capture(empty)
        snapshot = capture(empty)
    by_query = {found.query: found for found in snapshot.statements}
    assert by_query["SELECT b FROM t WHERE a = $1"].calls == 2
    assert any("(SELECT a FROM t LIMIT $1)" in query for query in by_query)
    assert any(query.startswith("WITH x") for query in by_query)
    assert any(query.startswith("CREATE TABLE u AS") for query in by_query)
    assert not any("SET" in query or "pg_catalog" in query for query in by_query)
    assert "hush" not in capture(empty, values=False).model_dump_json()
    assert snapshot.statements_reset is not None
    assert snapshot.statements_evicted is not None


def test_a_role_that_sees_no_statement_is_told_what_to_grant(empty: str) -> None:
    with connect(empty, autocommit=True) as connection, new_role(empty) as role:
        run(connection, "CREATE EXTENSION pg_stat_statements")
        with pytest.raises(CapabilityError, match=rf"GRANT pg_read_all_stats \(or pg_monitor\) TO {role}"):
            capture(as_role(empty, role))


def test_a_missing_extension_is_named_with_its_remedy(empty: str) -> None:
    with pytest.raises(CapabilityError, match="run CREATE EXTENSION pg_stat_statements"):
        capture(empty)
    assert capture(empty, statements=False).relations == ()


def test_a_library_that_was_not_preloaded_is_named_with_its_remedy() -> None:
    with cluster.temporary(settings={"fsync": "off"}) as running:
        with connect(running.url(), autocommit=True) as connection:
            run(connection, "CREATE EXTENSION pg_stat_statements")
        with pytest.raises(CapabilityError, match=r"shared_preload_libraries in postgresql\.conf and restart"):
            capture(running.url())


def test_no_values_leaves_no_value_of_a_row(empty: str, tmp_path: Path) -> None:
    with connect(empty, autocommit=True) as connection:
        for statement in (
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE t (a text PRIMARY KEY, b text[], c int4range, d text)",
            """INSERT INTO t SELECT 'sesame-' || g, ARRAY['sesame-' || g % 3], int4range(771771, 771771 + g),
                      'sesame-' || g % 5 FROM generate_series(1, 500) AS g""",
            "CREATE INDEX ON t (upper(d))",
            "ANALYZE t",
            "SELECT * FROM t WHERE a = 'sesame-7' /* route sesame */",
            "CREATE TABLE u AS SELECT * FROM t WHERE a = 'sesame-8'",
        ):
            run(connection, statement)
    snapshots.dump(capture(empty), tmp_path / "with.gz")
    bare = capture(empty, values=False)
    snapshots.dump(bare, tmp_path / "without.gz")
    assert b"sesame-" in gzip.decompress((tmp_path / "with.gz").read_bytes())
    text = gzip.decompress((tmp_path / "without.gz").read_bytes()).lower()
    assert b"sesame" not in text
    assert b"771771" not in text
    assert not bare.values
    assert bare.extremes == ()
    assert next(row for row in bare.statistics if row.column == "d").most_common_frequencies is not None
    assert "SELECT * FROM t WHERE a = $1" in {found.query for found in bare.statements}
