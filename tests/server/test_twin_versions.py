"""Twins on other servers than the embedded one: the captured server's own version, another one, one in a container."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents.snapshot import Extension, Snapshot
from analyzer.errors import CapabilityError
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.server import cluster
from analyzer.twin.server.binaries import find_binaries
from analyzer.twin.server.choose import choose_binaries
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.container import local_image
from analyzer.twin.server.containment import Containment
from analyzer.twin.server.file_access import ServerStorage
from analyzer.twin.twin import PlannerChoice, Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import new_database, run
from tests.server.live_plans import Live, assert_same
from tests.server.servers import DEBIAN_15
from tests.server.twin_zoo import CHANGES, EXTENSIONS, INDEXES, LATER_ROWS, ROWS, STATEMENTS, TABLES

pytestmark = pytest.mark.usefixtures("own_initdb")

needs_15 = pytest.mark.skipif(
    not DEBIAN_15.is_dir(), reason="apt-get install postgresql-15 postgresql-contrib to run this on PostgreSQL 15"
)
#: All but what needs pgvector, which Debian's server lacks.
PLANNED = {claim: text for claim, text in (STATEMENTS | CHANGES).items() if "embedding" not in text}
#: Before 17 the server shows nobody how ranges are distributed.
UNSEEN = "gist"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        cluster.temporary(find_binaries(DEBIAN_15), settings={"fsync": "off", "autovacuum": "off"}) as running,
        new_database(running.url()) as url,
    ):
        with connect(url, autocommit=True) as connection:
            for extension in {*EXTENSIONS, "pageinspect"} - {"vector"}:
                run(connection, f"CREATE EXTENSION {extension}")
            for statement in (*TABLES, *ROWS, *INDEXES):
                if "embedding" not in statement:
                    run(connection, statement)
            run(connection, "VACUUM ANALYZE shop.vendor, shop.product, shop.sale, shop.empty")
            for statement in LATER_ROWS:
                run(connection, statement)
        yield Live(url=url, role="postgres")


@pytest.fixture(scope="module")
def captured(live: Live) -> Snapshot:
    return capture(live.url, statements=False)


@pytest.fixture(scope="module")
def twin(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


@needs_15
@pytest.mark.parametrize("claim", sorted(PLANNED.keys() - {UNSEEN}))
def test_a_twin_of_the_same_version_is_exact_there_too(claim: str, live: Live, twin: Twin) -> None:
    assert_same(twin.plan(PLANNED[claim]), live.plan(PLANNED[claim]))


@needs_15
def test_the_captured_servers_version_is_chosen_by_itself(twin: Twin) -> None:
    assert twin.planner.startswith("PostgreSQL 15.")
    assert [gap.what for gap in lacking(twin)] == ["statistics of shop.product.period"]


@needs_15
def test_indexes_are_added_shown_and_hidden_there_too(live: Live, twin: Twin) -> None:
    statement = "SELECT id FROM shop.product WHERE status = 'status 2' AND vendor_id = 77 AND price > 1400"
    keys = (Key(column="status"), Key(column="vendor_id"), Key(column="price"))
    btree = IndexDef(schema="shop", table="product", name="added", keys=keys)
    brin = IndexDef(schema="shop", table="product", name="added_brin", keys=keys[2:], method="brin")
    before = twin.plan(statement)
    added = twin.add([btree, brin])
    assert twin.plan(statement) == before
    twin.show(added[:1])
    with connect(live.url, autocommit=True) as connection:
        run(connection, btree.ddl())
        run(connection, "ANALYZE shop.vendor")
        expected = live.plan(statement)
        run(connection, "DROP INDEX shop.added")
    assert twin.plan(statement).cost == pytest.approx(expected["Total Cost"], rel=0.01)
    twin.show([], without=["shop.product_active"])
    assert twin.plan(PLANNED["partial"]).indexes == {"product_cover"}
    twin.show([])
    assert twin.plan(statement) == before
    assert twin.canonical(btree) == btree


@needs_15
def test_another_version_plans_all_of_it_and_says_so(live: Live, captured: Snapshot) -> None:
    with open_twin(captured, wanted=PlannerChoice(bin_dir=find_binaries(major=18).bin_dir)) as other:
        assert other.planner.endswith("(another major version)")
        (notice,) = [gap.reason for gap in other.not_examined if gap.what == "the exactness of costs"]
        assert notice.startswith("the server is PostgreSQL 15 and the twin PostgreSQL 18.")
        ratios = sorted(other.plan(text).cost / live.plan(text)["Total Cost"] for text in PLANNED.values())
    assert ratios[len(ratios) // 2] == pytest.approx(1, rel=0.001)
    assert sum(abs(ratio - 1) < 0.025 for ratio in ratios) > 0.8 * len(ratios)


def with_extension(snapshot: Snapshot, name: str) -> Snapshot:
    added = Extension(name=name, version="1", schema_name="public")
    return snapshot.model_copy(update={"extensions": (*snapshot.extensions, added)})


@needs_15
def test_a_missing_extension_weighs_more_than_the_version(captured: Snapshot) -> None:
    assert choose_binaries(captured).major == 15
    assert choose_binaries(with_extension(captured, "vector")).major == 18
    assert choose_binaries(with_extension(captured, "pg_repack")).major == 15


@needs_15
def test_the_version_that_was_passed_over_is_named_with_what_it_lacks(captured: Snapshot) -> None:
    with open_twin(with_extension(captured, "vector")) as other:
        (notice,) = [gap.reason for gap in other.not_examined if gap.what == "the exactness of costs"]
    assert notice.endswith("the PostgreSQL 15 installed here lacks the extensions vector")


def as_version(snapshot: Snapshot, major: int) -> Snapshot:
    return snapshot.model_copy(
        update={"server": snapshot.server.model_copy(update={"version_num": major * 10_000})},
    )


@pytest.fixture
def empty(database: str) -> Snapshot:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (i integer PRIMARY KEY)")
        run(connection, "INSERT INTO t SELECT generate_series(1, 5000)")
        run(connection, "VACUUM ANALYZE t")
    return capture(database, statements=False)


def test_a_newer_server_is_planned_by_the_newest_planner_at_hand(empty: Snapshot) -> None:
    with open_twin(as_version(empty, 21)) as newer:
        (notice,) = [gap.reason for gap in newer.not_examined if gap.what == "the exactness of costs"]
        assert "this is the newest planner available" in notice
        assert newer.plan("SELECT i FROM t WHERE i = 7").indexes == {"t_pkey"}


def test_a_directory_without_a_server_is_refused_in_one_line(empty: Snapshot, tmp_path: Path) -> None:
    with (
        pytest.raises(CapabilityError, match=rf"^a PostgreSQL server .* no initdb, pg_ctl and postgres in {tmp_path}"),
        open_twin(empty, wanted=PlannerChoice(bin_dir=tmp_path)),
    ):
        pass


def test_tables_of_many_segments_have_their_size(empty: Snapshot) -> None:
    pages = 5 * 131_072 + 7
    large = tuple(
        each.model_copy(update={"pages": pages, "size_bytes": pages * 8192, "tuples": 1e9}) for each in empty.relations
    )
    with open_twin(empty.model_copy(update={"relations": large})) as twin:
        assert twin.plan("SELECT count(*) FROM t WHERE i % 2 = 0").tree["Total Cost"] > pages


class Distant(Cluster):
    """A cluster whose files are reached as those of a container are."""

    scratch: Path

    def storage(self, connection: Connection) -> ServerStorage:
        return ServerStorage(connection, self.scratch)


@pytest.mark.parametrize("bin_dir", [None, pytest.param(DEBIAN_15, marks=needs_15)])
def test_files_written_through_the_server_make_the_same_twin(
    bin_dir: Path | None, empty: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = PlannerChoice(bin_dir=bin_dir or find_binaries().bin_dir, containment=Containment(kernel=False))
    statements = ("SELECT i FROM t WHERE i = $1", "SELECT count(*) FROM t WHERE i > 4990", "SELECT i FROM t")
    pages = 2 * 131_072 + 7
    large = empty.model_copy(
        update={
            "relations": tuple(
                each.model_copy(update={"pages": pages, "size_bytes": pages * 8192}) for each in empty.relations
            ),
            "indexes": tuple(each.model_copy(update={"height": 3}) for each in empty.indexes),
        }
    )
    added = IndexDef(schema="public", table="t", name="added", keys=(Key(expression="i % 7"),))
    brin = IndexDef(schema="public", table="t", name="added_brin", keys=(Key(column="i"),), method="brin")

    def plans() -> list[object]:
        with open_twin(large, wanted=wanted) as twin:
            hidden = [twin.plan(statement) for statement in statements]
            twin.show(twin.add([added, brin]), without=["public.t_pkey"])
            return [*hidden, *(twin.plan(statement) for statement in (*statements, "SELECT 1 FROM t WHERE i % 7 = 3"))]

    direct = plans()
    monkeypatch.setattr(Distant, "scratch", tmp_path, raising=False)
    monkeypatch.setattr(cluster, "Cluster", Distant)
    assert plans() == direct
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_image_makes_the_same_twin(empty: Snapshot) -> None:
    image = local_image(empty.server.major, frozenset())
    if image is None:
        pytest.skip("start a Docker engine and pull postgres:18 to run this in a container")
    with open_twin(empty, wanted=PlannerChoice(image=image)) as contained, open_twin(empty) as twin:
        for statement in ("SELECT i FROM t WHERE i = $1", "SELECT count(*) FROM t WHERE i > 4990"):
            assert contained.plan(statement) == twin.plan(statement)


def test_an_image_without_an_engine_is_refused_in_one_line(empty: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with (
        pytest.raises(
            CapabilityError, match=r"^a server from the image postgres:18 is required, but no Docker engine"
        ) as raised,
        open_twin(empty, wanted=PlannerChoice(image="postgres:18")),
    ):
        pass
    assert "\n" not in str(raised.value)
