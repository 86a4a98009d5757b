"""What a capture computes by itself: bytes of extended statistics, constants in definitions, how a sample is drawn."""

import gzip
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture.constants import constants_in, has_constants, with_unknowns, without_constants
from analyzer.capture.extended import dump_dependencies, dump_distinct, parse_dependencies, parse_distinct
from analyzer.capture.samples import draw
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Relation
from analyzer.twin.predict.analyze import Counted, estimate
from tests.unit import catalogs

NUMBERS = st.lists(st.integers(-8, 1600), min_size=2, max_size=8).map(tuple)
ITEMS = st.lists(st.tuples(NUMBERS, st.floats(0, 1e12)), min_size=1, max_size=6)


@given(items=ITEMS)
def test_coefficients_survive_their_bytes(items: list[tuple[tuple[int, ...], float]]) -> None:
    assert list(parse_distinct(dump_distinct(items))) == items
    assert list(parse_dependencies(dump_dependencies(items))) == items


def test_coefficients_of_a_server_with_the_other_byte_order_are_read() -> None:
    big_endian = struct.pack(">III", 0xA352BFA4, 1, 1) + struct.pack(">dihh", 42.0, 2, 3, -1)
    assert list(parse_distinct(big_endian)) == [((3, -1), 42.0)]


def test_bytes_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="not the expected kind"):
        list(parse_dependencies(dump_distinct([((1, 2), 3.0)])))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a IS NOT NULL", "a IS NOT NULL"),
        ("(status = 'x y'::text)", "(status = (SELECT NULL::text))"),
        ("mood = 'it''s ok'::sales.mood", "mood = (SELECT NULL::sales.mood)"),
        ("b > '2020-01-01 00:00:00+00'::timestamp with time zone", "b > (SELECT NULL::timestamp with time zone)"),
        ("c = ANY (ARRAY['a'::text, 'b'::text])", "c = ANY (ARRAY[(SELECT NULL::text), (SELECT NULL::text)])"),
        ("c = ANY ('{a,b}'::text[])", "c = ANY ((SELECT NULL::text[]))"),
        ("d::numeric(10,2) > 3.5", "d::numeric(10,2) > (SELECT NULL::numeric)"),
        ("(e)::character varying(20) = 'q'::character varying(20)",
         "(e)::character varying(20) = (SELECT NULL::character varying(20))"),
        ("f > '1 day'::interval day to second(3)", "f > (SELECT NULL::interval day to second(3))"),
        ("g = 5 AND h = 12345678901", "g = (SELECT NULL::integer) AND h = (SELECT NULL::bigint)"),
        ('i = \'k\'::"Odd"."My ""type"""', 'i = (SELECT NULL::"Odd"."My ""type""")'),
        ("'t'::\"char\" = j", '(SELECT NULL::"char") = j'),
    ],
)  # fmt: skip
def test_constants_are_found_with_their_types(text: str, unknown: str) -> None:
    assert with_unknowns(text) == unknown
    assert has_constants(text) == (text != unknown)
    assert has_constants(unknown) is False


def test_text_that_cannot_be_read_is_taken_to_hold_constants() -> None:
    assert has_constants("a = 'open")
    assert with_unknowns("a = 'open") is None
    assert constants_in("a = 'open") == {"a = 'open"}
    assert not has_constants(None)


def test_a_function_keeps_what_the_planner_reads_of_it() -> None:
    stub = without_constants(
        "CREATE OR REPLACE FUNCTION s.f(a integer DEFAULT 5, b text DEFAULT 'secret'::text)\n"
        " RETURNS SETOF text\n LANGUAGE sql\n IMMUTABLE STRICT PARALLEL SAFE COST 7 ROWS 9\n"
        " SET search_path TO 'secret'\nAS $function$ SELECT 'secret' || $1 $function$\n"
    )
    assert "secret" not in stub
    for kept in ("s.f(a integer DEFAULT NULL::integer", "SETOF text", "IMMUTABLE STRICT PARALLEL SAFE COST 7 ROWS 9"):
        assert kept in stub
    assert "LANGUAGE plpgsql" in stub
    for body in ("BEGIN ATOMIC\n SELECT 'secret';\nEND\n", "RETURN 'secret'::text\n"):
        assert "secret" not in without_constants(
            f"CREATE OR REPLACE FUNCTION s.g()\n RETURNS text\n LANGUAGE sql\n{body}"
        )


def table(*, pages: int, tuples: float) -> Relation:
    """Return a table of that size."""
    return Relation(
        schema_name="s", name="t", kind="r", columns=(), pages=pages, tuples=tuples, size_bytes=pages * 8192
    )


@given(pages=st.integers(1, 10**9), density=st.floats(0.5, 200), rows=st.integers(1, 100_000))
def test_a_sample_reads_few_blocks_and_expects_no_more_rows_than_asked_for(
    pages: int, density: float, rows: int
) -> None:
    drawn = draw(table(pages=pages, tuples=pages * density), rows, 8192)
    assert 0 < drawn.percent <= 100
    assert 0 < drawn.share <= 1
    if pages * density > rows:
        # The least share that is written is a millionth.
        assert pages * drawn.percent / 100 <= rows * 1.01 + pages / 1e6
        assert pages * density * drawn.percent / 100 * drawn.share <= rows * 1.02 + 1 + pages * density / 1e6
    else:
        assert (drawn.percent, drawn.share) == (100, 1)


def test_a_table_nobody_analysed_is_sampled_too() -> None:
    drawn = draw(table(pages=10_000, tuples=-1).model_copy(update={"pages": 0}), 1_000, 8192)
    assert 0 < drawn.percent < 100


def counted(*counts: int, absent: int = 0, wide: int = 0) -> Counted:
    """Return counts in the values' order."""
    return Counted(counts=tuple(enumerate(counts)), rows=sum(counts) + absent + wide, absent=absent, wide=wide)


def test_values_that_never_repeat_are_taken_to_be_unique() -> None:
    found = estimate(counted(*[1] * 100, absent=100), total_rows=1e6, target=100)
    assert found.distinct == -0.5
    assert found.common == ()
    assert len(found.bounds) == 100


def test_values_that_all_repeat_are_taken_to_be_all_there_are() -> None:
    found = estimate(counted(60, 30, 10), total_rows=1e6, target=100)
    assert found.distinct == 3
    assert found.common == (0, 1, 2)
    assert found.frequencies == (0.6, 0.3, 0.1)
    assert found.bounds == ()


def test_a_chance_repetition_is_not_a_common_value() -> None:
    found = estimate(counted(*[1] * 900, *[2] * 50), total_rows=1e7, target=100)
    assert found.common == ()
    assert found.distinct == pytest.approx(10_000, rel=0.1)
    frequent = estimate(counted(*[1] * 800, 200), total_rows=1e7, target=100)
    assert frequent.common == (800,)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=300), st.integers(0, 50), st.floats(1, 1e4))
def test_an_estimate_is_possible(counts: list[int], absent: int, times: float) -> None:
    values = counted(*counts, absent=absent)
    total = values.rows * times
    found = estimate(values, total_rows=total, target=100)
    distinct = found.distinct if found.distinct >= 0 else -found.distinct * total
    assert len(counts) * 0.999 <= distinct <= total * 1.001 + 1
    assert sum(found.frequencies) <= 1 + 1e-9
    assert not set(found.common) & set(found.bounds)
    assert list(found.bounds) == sorted(found.bounds)
    assert len(found.bounds) <= 101


def test_a_snapshot_from_before_samples_and_replicas_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "old.snapshot"
    snapshots.dump(catalogs.snapshot(), path)
    document = json.loads(gzip.decompress(path.read_bytes()))
    for name in ("extended_statistics", "samples", "servers"):
        assert document.pop(name) == []
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert snapshots.load(path) == catalogs.snapshot()
