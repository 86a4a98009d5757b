"""What is well-formed, to be spoiled: a snapshot that has every kind of item, statements and specs."""

from functools import lru_cache
from pathlib import Path

from analyzer.documents.measured import (
    CommonCombination,
    Dependency,
    DistinctCombinations,
    ExtendedData,
    ExtendedStatistics,
    Extreme,
    Sample,
    ServerCounters,
)
from analyzer.documents.snapshot import (
    Constraint,
    FunctionDef,
    GinPages,
    Index,
    Policy,
    RowSecurity,
    Snapshot,
    Tablespace,
    TypeDef,
)
from analyzer.objects.index import IndexDef, Key
from tests.unit import catalogs

STATEMENTS = (
    (
        "SELECT a.label, count(*) FROM part a JOIN maker m ON m.id = a.maker_id WHERE m.name LIKE $1 AND a.at > $2 "
        "GROUP BY 1 ORDER BY 2 DESC LIMIT $3"
    ),
    "SELECT * FROM part WHERE doc @> $1 OR tags && $2 OR lower(label) = $3 OR id IN ($4, $5)",
    (
        "WITH RECURSIVE up AS (SELECT id FROM maker WHERE id = $1 UNION ALL SELECT m.id FROM maker m JOIN up USING (id)"
        ") SELECT * FROM up WHERE EXISTS (SELECT 1 FROM part WHERE maker_id = up.id)"
    ),
    "UPDATE part SET label = CASE WHEN id > $1 THEN $2 ELSE label END FROM maker WHERE maker.id = maker_id",
    "INSERT INTO part (id, label) VALUES ($1, $2), ($3, $4) ON CONFLICT (id) DO UPDATE SET label = excluded.label",
    "DELETE FROM maker USING part WHERE part.maker_id = maker.id AND part.at BETWEEN $1 AND $2",
    "MERGE INTO part USING maker ON part.maker_id = maker.id WHEN MATCHED THEN UPDATE SET label = maker.name",
    "SELECT date $1 + interval $2 day, extract($3 FROM at), doc -> 'a' ->> 'b', ARRAY[1, 2][1] FROM part FOR UPDATE",
    "SELECT row_number() OVER (PARTITION BY maker_id ORDER BY at) FROM busy WHERE id = ANY (ARRAY[$1, $2])",
    "SELECT E'\\'', $q$ a $q$, U&\"d\\0061t\", 1.5e3, 0xFF /* /* nested */ */ FROM part -- end",
)
SPEC = Path(__file__).parents[2] / "index_specs"


@lru_cache(maxsize=1)
def shop() -> Snapshot:
    """Make the snapshot."""
    foreign = Constraint(
        name="fk", kind="f", definition="FOREIGN KEY (maker_id) REFERENCES maker(id)", columns=("maker_id",),
        referenced_schema="public", referenced_table="maker", referenced_columns=("id",), on_delete="c", on_update="a",
    )  # fmt: skip
    part = catalogs.table(
        "part", "id integer, maker_id integer, label text, at timestamp with time zone, doc jsonb, tags text[]",
        constraints=(foreign,),
    )  # fmt: skip
    view = catalogs.table("busy", "id integer, maker_id integer", definition="SELECT id, maker_id FROM part")
    primary = IndexDef(schema="public", table="part", name="part_pkey", keys=(Key(column="id"),), unique=True)
    gin = IndexDef(schema="public", table="part", name="part_doc", method="gin", keys=(Key(column="doc"),))
    columns = (
        catalogs.statistics("part", "id", histogram="{1,5,9}", correlation=1),
        catalogs.statistics("part", "label", distinct=50, common='{a,"b c"}', frequencies=(0.5, 0.25)),
        catalogs.statistics("part", "at", histogram='{"2026-01-01 00:00:00+00","2026-02-01 00:00:00+00"}'),
        catalogs.statistics("part", "doc", common='{"{\\"a\\": 1, \\"b\\": 2}"}', frequencies=(0.1,)),
        catalogs.statistics("part", "tags", elements="{x,y,z}", element_frequencies=(0.3, 0.2, 0.1, 0.1, 0.3, 0)),
        catalogs.statistics("maker", "name", histogram="{Ann,Bob}"),
    )
    extended = ExtendedStatistics(
        schema_name="public", name="both", table_schema="public", table="part", definition="CREATE STATISTICS …",
        columns=("maker_id", "label"),
        data=(
            ExtendedData(
                inherited=False, distinct=(DistinctCombinations(keys=(0, 1), distinct=100),),
                dependencies=(Dependency(keys=(0, 1), degree=0.5),),
                most_common=(CommonCombination(values=("1", None), frequency=0.1, base_frequency=0.01),),
            ),
        ),
    )  # fmt: skip
    whole = catalogs.snapshot(
        part,
        catalogs.table("maker", "id integer, name text").model_copy(update={"dropped_columns": (3, 4)}),
        view,
        indexes=(
            Index(definition=primary, ddl="CREATE UNIQUE INDEX …", primary=True, height=2, size_bytes=8192 * 300),
            Index(
                definition=gin, ddl="CREATE INDEX …", size_bytes=8192 * 300,
                gin=GinPages(pending_pages=0, entry_pages=100, data_pages=100, entries=1000),
            ),
        ),
        columns=columns,
        statements=[catalogs.recorded(text, queryid=str(number)) for number, text in enumerate(STATEMENTS)],
        types=(TypeDef(schema_name="public", name="mood", kind="e", labels=("good", "bad")),),
    )  # fmt: skip
    return whole.model_copy(
        update={
            "functions": (
                FunctionDef(schema_name="public", name="f", arguments="", definition="CREATE …", language="sql"),
            ),
            "extended_statistics": (extended,),
            "extremes": (Extreme(schema_name="public", table="part", column="id", minimum="1", maximum="9"),),
            "row_security": (
                RowSecurity(
                    schema_name="public", table="maker", forced=False,
                    policies=(Policy(name="p", command="*", permissive=True, using="(name = CURRENT_USER)"),),
                ),
            ),
            "tablespaces": (Tablespace(name="pg_default", options=(), is_default=True),),
            "samples": (Sample(schema_name="public", table="maker", columns=("id", "name"), lines=("1\tAnn",)),),
            "servers": (
                ServerCounters(name="db:5432", in_recovery=False, started_at=catalogs.NOON, stats_reset=None),
            ),
        }
    )  # fmt: skip


@lru_cache(maxsize=1)
def specs() -> tuple[bytes, ...]:
    """Return the reference specs."""
    return tuple(path.read_bytes() for path in sorted(SPEC.glob("*.yaml")))
