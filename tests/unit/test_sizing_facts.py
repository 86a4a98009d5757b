"""What statistics and samples say of the keys of an index that does not exist yet."""

import dataclasses

import pytest

from analyzer.documents.measured import DistinctCombinations, ExtendedData, ExtendedStatistics
from analyzer.documents.snapshot import Column, ColumnStatistics, Constraint, Relation, Sample, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.predict.distinct_combinations import combinations
from analyzer.twin.predict.gin_pages import gin_shape
from analyzer.twin.predict.key_statistics import KeyFacts, combined, entry_bytes, occurring, within
from analyzer.twin.predict.value_widths import value_widths


def statistics(**values: object) -> ColumnStatistics:
    given = {"null_fraction": 0.0, "average_width": 8, "distinct": -1.0} | values
    return ColumnStatistics.model_validate(
        {"schema_name": "public", "relation": "t", "column": "c", "inherited": False} | given
    )


def key(distinct: float, *, width: float = 4, null_fraction: float = 0.0) -> KeyFacts:
    return KeyFacts(
        widths=((width, 1.0),),
        alignment=4,
        distinct=distinct,
        null_fraction=null_fraction,
        shares=((1 / distinct, distinct),),
    )


@pytest.mark.parametrize(
    ("value", "width"), [("901.00", 5), ("33078.94", 9), ("0.00", 3), ("-12345678", 7), ("0.0001", 5), ("10000", 5)]
)
def test_a_numeric_is_as_wide_as_its_digits_in_groups_of_four(value: str, width: int) -> None:
    row = statistics(average_width=width, histogram_bounds=f"{{{value}}}")
    assert value_widths("numeric(12,2)", row) == ((width, 1.0),)


def test_widths_are_weighed_by_how_often_values_occur() -> None:
    row = statistics(
        average_width=4, most_common_values="{ab}", most_common_frequencies=[0.5], histogram_bounds='{"1234","x,y}"}'
    )
    assert value_widths("text", row) == ((3, 0.5), (5, 0.5))


def test_values_that_do_not_stand_for_the_others_are_not_trusted() -> None:
    row = statistics(average_width=900, histogram_bounds="{a,b}")
    assert value_widths("text", row) == ((900, 1.0),)


def test_an_entry_is_the_average_of_aligned_sizes_not_the_aligned_average() -> None:
    fact = KeyFacts(widths=((7, 0.5), (9, 0.5)), alignment=1, distinct=10, null_fraction=0.0)
    assert entry_bytes((fact,)) == 8 + (8 + 16) / 2


def test_a_null_takes_no_room_but_a_bitmap() -> None:
    assert entry_bytes((key(10, width=8, null_fraction=0.25),)) == 8 + 0.75 * 8 + 0.25 * 8


def test_a_partial_index_that_holds_nothing_has_keys_like_any_other() -> None:
    assert within(key(5), Key(column="c"), "c IS NULL", rows=100, tuples=0) == key(5)


def test_fewer_combinations_occur_than_could() -> None:
    shares = combined((key(1000), key(1000)))
    assert occurring(shares, 1_000_000) == pytest.approx(632_121, rel=0.01)
    assert occurring(shares, 10) == pytest.approx(10, rel=0.01)


def sampled(lines: list[str]) -> Snapshot:
    sample = Sample(schema_name="public", table="t", columns=("a", "b"), lines=tuple(lines))
    return Snapshot.model_construct(samples=(sample,), extended_statistics=(), relations=())


def pair() -> IndexDef:
    return IndexDef(schema="public", table="t", name="ix", keys=(Key(column="a"), Key(column="b")))


def test_a_sample_tells_that_one_column_follows_from_another() -> None:
    snapshot = sampled([f"{i % 5000}\t{i % 5000 // 10}" for i in range(0, 600_000, 60)])
    _, both = combinations(pair(), (key(5000), key(500)), snapshot, 600_000, 600_000)
    assert occurring(both, 600_000) == pytest.approx(250, rel=0.1)


def test_a_sample_of_independent_columns_changes_little() -> None:
    snapshot = sampled([f"{i * 7919 % 3001}\t{i * 104_729 % 2003}" for i in range(10_000)])
    _, both = combinations(pair(), (key(3001), key(2003)), snapshot, 1_000_000, 1_000_000)
    assert occurring(both, 1_000_000) == pytest.approx(occurring(combined((key(3001), key(2003))), 1_000_000), rel=0.05)


def test_without_a_sample_columns_are_independent() -> None:
    keys = (key(5000), key(500))
    snapshot = Snapshot.model_construct(samples=(), extended_statistics=(), relations=())
    assert combinations(pair(), keys, snapshot, 600_000, 600_000) == (combined(keys[:1]), combined(keys))


@pytest.mark.parametrize("where", [None, "c IS NULL"])
def test_there_are_at_least_as_many_combinations_as_values_of_one_column(where: str | None) -> None:
    snapshot = Snapshot.model_construct(samples=(), extended_statistics=(), relations=())
    index = dataclasses.replace(pair(), where=where)
    for keys in ((key(5), key(600_000)), (key(600_000), key(5))):
        both = combinations(index, keys, snapshot, 600_000, 600_000)[-1]
        assert occurring(both, 600_000) == pytest.approx(600_000, rel=0.001)
    some = combinations(index, (key(2), key(400_000)), snapshot, 600_000, 600_000)[-1]
    assert occurring(some, 600_000) >= 400_000


def pages(index_key: Key, row: ColumnStatistics) -> float:
    shape = gin_shape(index_key, [row], width=40, distinct=100_000, rows=100_000, heap_pages=2_000)
    return shape.entry_pages + shape.data_pages


def test_documents_with_more_different_values_make_a_larger_index() -> None:
    few = "{" + ",".join(f'"{{\\"k\\": {i % 4}}}"' for i in range(100)) + "}"
    many = "{" + ",".join(f'"{{\\"k\\": {i}}}"' for i in range(100)) + "}"
    at = Key(column="c", opclass="jsonb_path_ops")
    assert pages(at, statistics(histogram_bounds=few)) < 0.5 * pages(at, statistics(histogram_bounds=many))


@pytest.mark.parametrize("element", ["{}", "$1,{}.00", '"a b {}"', "[{},7)"])
def test_arrays_without_common_elements_are_no_documents(element: str) -> None:
    def bounds(different: int) -> str:
        written = (element.format(i % different).replace('"', '\\"') for i in range(100))
        return "{" + ",".join(f'"{{{each}}}"' for each in (*written, "")) + "}"

    few, many = (statistics(histogram_bounds=bounds(different)) for different in (4, 100))
    assert 0 < pages(Key(column="c"), few) < 0.5 * pages(Key(column="c"), many)


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000 + "]" * 5000])
def test_a_document_that_cannot_be_read_is_left_out(value: str) -> None:
    read = [f'"{{\\"k\\": {i}}}"' for i in range(100)]
    at = Key(column="c", opclass="jsonb_path_ops")
    without, with_it = (statistics(histogram_bounds="{" + ",".join(each) + "}") for each in (read, [*read, value]))
    assert pages(at, without) == pages(at, with_it)


def test_rare_elements_are_counted_beside_the_most_common_ones() -> None:
    common = {"most_common_elements": "{1,2}", "most_common_element_frequencies": [0.3, 0.2, 0.2, 0.3, 0.0]}
    alone = statistics(**common, element_count_histogram=[1.0, 1.0, 0.5])
    among = statistics(**common, element_count_histogram=[1.0, 9.0, 4.0])
    assert pages(Key(column="c"), alone) < 0.5 * pages(Key(column="c"), among)


def referring(*, not_null: bool = True) -> Snapshot:
    """Return tables t (a, b, c) of 600,000 rows, where a and b refer to one of 8,000, and b with c are unique."""
    both = Constraint(
        name="t_fkey", kind="f", definition="", columns=("a", "b"), referenced_schema="public", referenced_table="u"
    )
    unique = Constraint(name="t_key", kind="u", definition="", columns=("b", "c"))
    columns = tuple(
        Column(name=name, number=number, type="integer", not_null=not_null) for number, name in enumerate("abc", 1)
    )
    table = {"schema_name": "public", "kind": "r", "columns": columns}
    relations = (
        Relation(name="t", tuples=600_000, constraints=(both, unique), **table),  # pyright: ignore[reportArgumentType] - checked when it runs
        Relation(name="u", tuples=8_000, **table),  # pyright: ignore[reportArgumentType] - checked when it runs
    )
    return Snapshot.model_construct(samples=(), extended_statistics=(), relations=relations)


def occurring_of(columns: str, keys: tuple[KeyFacts, ...], snapshot: Snapshot) -> float:
    index = IndexDef(schema="public", table="t", name="ix", keys=tuple(Key(column=column) for column in columns))
    return occurring(combinations(index, keys, snapshot, 600_000, 600_000)[-1], 600_000)


def test_a_foreign_key_bounds_the_combinations() -> None:
    keys = (key(2_000), key(1_000))
    assert occurring_of("ab", keys, referring()) == pytest.approx(8_000, rel=0.01)
    assert occurring_of("ba", keys[::-1], referring()) == pytest.approx(8_000, rel=0.01)
    assert occurring_of("ab", (key(20), key(10)), referring()) == pytest.approx(200)
    # Of a reference with a NULL in it the other columns are anything.
    assert occurring_of("ab", (key(2_000, null_fraction=0.1), key(1_000)), referring()) > 400_000


def test_a_unique_constraint_tells_all_rows_apart() -> None:
    keys = (key(1_000), key(1_000))
    assert occurring_of("bc", keys, referring()) == pytest.approx(600_000, rel=0.001)
    assert occurring_of("bca", (*keys, key(5)), referring()) == pytest.approx(600_000, rel=0.001)
    assert occurring_of("bc", keys, referring(not_null=False)) < 500_000


def test_as_many_combinations_occur_as_extended_statistics_counted() -> None:
    data = ExtendedData(inherited=False, distinct=(DistinctCombinations(keys=(0, 1), distinct=7_000),))
    told = ExtendedStatistics(
        schema_name="public",
        name="s",
        table_schema="public",
        table="t",
        definition="",
        columns=("a", "b"),
        data=(data,),
    )
    snapshot = Snapshot.model_construct(samples=(), extended_statistics=(told,), relations=())
    assert occurring_of("ab", (key(20_000), key(10_000)), snapshot) == pytest.approx(7_000, rel=0.01)
    assert occurring_of("ab", (key(20), key(10)), snapshot) == pytest.approx(200)
