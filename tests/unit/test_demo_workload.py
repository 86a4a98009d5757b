"""The demo's data and workload without a server: the same for the same seed, and what the specs promise."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analyzer.demo import (
    LEFT_OUT,
    rows,
    rows_insight,
    rows_intelligence,
    rows_pipeline,
    statements_catalog,
    statements_insight,
    statements_intelligence,
    statements_pipeline,
    workload,
)
from analyzer.demo.client import Asker
from analyzer.demo.models import metadata
from analyzer.demo.random_data import Embedder
from analyzer.demo.rows import FAST, FULL, LABELS, Scale
from analyzer.demo.statements import STATEMENTS
from analyzer.specs.file import load_specs

ROOT = Path(__file__).parents[2]
GENERATORS = (rows.vendors, rows.companies, rows.customers, rows.products, rows.quotes, rows.classifications)
LINES = (
    *(rows_intelligence.customers, rows_intelligence.scores, rows_intelligence.messages),
    *(rows_insight.sentiments, rows_insight.benchmarks, rows_insight.comparisons, rows_insight.metrics),
    *(rows_insight.alerts, rows_insight.trends, rows_insight.training_jobs, rows_insight.templates),
    *(rows_insight.audited, rows_pipeline.runs, rows_pipeline.work_items, rows_pipeline.outputs),
)
SYSTEMS = {
    "catalog": statements_catalog,
    "intelligence": statements_intelligence,
    "insight": statements_insight,
    "pipeline": statements_pipeline,
}
SPECS = {declared.spec.name: declared for declared in load_specs(ROOT / "index_specs").indexes}


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(1, len(LABELS))


def asker(embedder: Embedder, *, seed: int = 1, client: int = 0, scale: Scale = FAST) -> Asker:
    """Return a client at its start."""
    return Asker(seed=seed, client=client, scale=scale, embedder=embedder)


def printed(ask: Asker, count: int) -> list[str]:
    """Return the next statements with their values as text."""
    return [f"{spec.name} {_plain(parameters)}" for spec, parameters in islice(workload.schedule(ask), count)]


def _plain(parameters: dict[str, Any]) -> dict[str, object]:
    return {name: getattr(value, "obj", value) for name, value in parameters.items()}


@pytest.mark.parametrize("generate", GENERATORS)
def test_rows_follow_from_the_seed(
    generate: Callable[[Random, Scale, Embedder], Iterator[rows.Row]], embedder: Embedder
) -> None:
    first, again, other = (list(islice(generate(Random(seed), FAST, embedder), 200)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert [row[0] for row in first] == list(range(1, 201))


def test_embeddings_of_a_cluster_are_neighbours(embedder: Embedder) -> None:
    def cosine(left: list[float], right: list[float]) -> float:
        product = sum(a * b for a, b in zip(left, right, strict=True))
        return product / (sum(a * a for a in left) * sum(b * b for b in right)) ** 0.5

    random = Random(5)
    same, also, other = (embedder.near(random, cluster).to_list() for cluster in (3, 3, 4))
    assert cosine(same, also) > 0.6
    assert abs(cosine(same, other)) < 0.2


def test_statements_follow_from_the_seed(embedder: Embedder) -> None:
    first = printed(asker(embedder), 300)
    assert first == printed(asker(embedder), 300)
    assert first != printed(asker(embedder, seed=2), 300)
    assert first != printed(asker(embedder, client=1), 300)


@pytest.mark.parametrize(
    ("makes", "deletes", "name"),
    [("import_product", "purge_product", "sku"), ("sign_up", "forget_customer", "reference")],
)
def test_nothing_is_deleted_that_was_not_made(embedder: Embedder, makes: str, deletes: str, name: str) -> None:
    made: set[str] = set()
    deleted = 0
    for spec, parameters in islice(workload.schedule(asker(embedder)), 6_000):
        if spec.name == makes:
            assert parameters[name] not in made
            made.add(parameters[name])
        elif spec.name == deletes:
            made.remove(parameters[name])
            deleted += 1
    assert deleted > 20


def test_the_workload_is_varied() -> None:
    assert len(STATEMENTS) >= 60
    assert {spec.kind for spec in STATEMENTS} == {"read", "write"}
    assert {spec.built is None for spec in STATEMENTS} == {True, False}
    assert len({spec.name for spec in STATEMENTS}) == len(STATEMENTS)


def test_every_count_brings_up_every_statement(embedder: Embedder) -> None:
    for scale, count in workload.COUNTS.items():
        drawn = {spec.name for spec, _ in islice(workload.schedule(asker(embedder, scale=scale)), count)}
        assert drawn == {spec.name for spec in STATEMENTS}


def test_an_example_is_what_is_sent() -> None:
    by_name = {example.name: example for example in workload.examples(1)}
    assert "ILIKE %(pattern)s" in by_name["product_search"].sql
    assert "<=> %(embedding)b" in by_name["cache_similar"].sql
    in_list = by_name["documents_of_product"]
    assert "POSTCOMPILE" not in in_list.sql
    assert {"datasheet", "manual"} <= {str(value) for value in in_list.parameters.values()}


def test_no_table_is_without_specs() -> None:
    assert {f"{declared.schema}.{declared.table}" for declared in SPECS.values()} == set(metadata.tables)
    assert sum(declared.table == "product" for declared in SPECS.values()) == 12
    assert sum(declared.table == "vendor" for declared in SPECS.values()) == 11


def test_every_spec_says_why_and_names_columns_that_exist() -> None:
    for declared in SPECS.values():
        columns = metadata.tables[f"{declared.schema}.{declared.table}"].columns
        index = declared.spec.definition(declared.schema, declared.table, rows=None)
        assert declared.spec.why
        assert index.name.startswith(f"ix_{declared.table}")
        assert {*index.columns, *index.include} <= set(columns.keys())


def test_one_of_each_kind_is_kept_and_of_as_many_kinds_left_out() -> None:
    assert set(LEFT_OUT) <= set(SPECS)
    kept = [declared.spec for name, declared in SPECS.items() if name not in LEFT_OUT]
    assert {spec.method for spec in kept} >= {"btree", "gin", "hnsw", "brin"}
    out = {name: SPECS[name].spec for name in LEFT_OUT}
    assert len(out) >= 12
    assert {spec.method for spec in out.values()} == {"btree", "gin", "ivfflat", "brin"}
    assert sum(bool(spec.include) for spec in out.values()) == 1
    assert sum(bool(spec.where) for spec in out.values()) == 2
    assert sum(key.expression is not None for spec in out.values() for key in spec.keys) == 1


def test_embeddings_stay_few() -> None:
    assert FULL.embedded_cached == FULL.cached == 20_000
    assert FULL.embedded_cached + FULL.embedded_documents + FULL.embedded_products <= 25_000
    assert FAST.embedded_cached + FAST.embedded_documents + FAST.embedded_products <= 2_000


@pytest.mark.parametrize("generate", LINES)
def test_lines_follow_from_the_seed_and_are_as_many_as_the_scale_says(
    generate: Callable[[Random, Scale, Embedder], Iterator[str]], embedder: Embedder
) -> None:
    first, again, other = ("".join(islice(generate(Random(seed), FAST, embedder), 300)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    widths = {line.count("\t") for line in first.splitlines()}
    assert len(widths) == 1
    assert first.endswith("\n")


def test_messages_lie_in_fourteen_months_and_a_few_before(embedder: Embedder) -> None:
    lines = [line.split("\t") for line in rows_intelligence.messages(Random(1), FAST, embedder)]
    assert len(lines) == FAST.messages
    months = Counter(line[2][:7] for line in lines if line[2] >= "2025-02")
    # The platform's now is in the first hours of the last one.
    assert sorted(months) == [*(f"2025-{month:02}" for month in range(2, 13)), "2026-01", "2026-02", "2026-03"]
    assert months["2026-02"] > 2 * months["2025-03"]
    assert 0 < sum(line[2] < "2025-02" for line in lines) < FAST.messages / 100


def test_few_tenants_have_most_customers() -> None:
    tenants = Counter(rows_intelligence.tenant_of(number) for number in range(1, 10_001))
    assert set(tenants) == set(range(1, rows_intelligence.TENANTS + 1))
    assert sum(count for _, count in tenants.most_common(6)) > 4_000
    assert rows_intelligence.address(10) is None
    assert rows_intelligence.address(13) is not None


def test_the_schemas_share_the_workload_in_proportion() -> None:
    weights = Counter[str]()
    for spec in STATEMENTS:
        for name, module in SYSTEMS.items():
            if spec in module.STATEMENTS:
                weights[name] += spec.weight
    total = sum(weights.values())
    assert weights["catalog"] > 0.5 * total
    assert all(weights[name] / total > 0.03 for name in SYSTEMS)
    assert sum(spec.weight for spec in STATEMENTS if spec.kind == "write") > 0.15 * total
