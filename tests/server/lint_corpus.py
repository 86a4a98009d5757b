"""Bad specs, one rule each, and what a server answers to them."""

from dataclasses import dataclass
from typing import Any

OBJECTS = (
    "CREATE EXTENSION pg_trgm",
    "CREATE EXTENSION bloom",
    "CREATE SCHEMA shop",
    """CREATE TABLE shop.item (
           id int PRIMARY KEY, a int, b int, s text, s2 text, code varchar(20), ts timestamptz, at timestamp, d date,
           j json, jb jsonb, x xml, p point, tags text[], r int4range, flag bool, score numeric
       )""",
    "CREATE TABLE shop.other (z int)",
    "CREATE VIEW shop.seen AS SELECT id, s FROM shop.item",
    "CREATE MATERIALIZED VIEW shop.kept AS SELECT id, s FROM shop.item",
    "CREATE TABLE shop.event (id int NOT NULL, day date NOT NULL) PARTITION BY RANGE (day)",
    "CREATE TABLE shop.event_1 PARTITION OF shop.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE INDEX ix_event_id ON shop.event (id)",
    "INSERT INTO shop.event SELECT n, '2025-03-01' FROM generate_series(1, 500) AS n",
    "INSERT INTO shop.item (id, a, s) SELECT n, n, 'x' || n FROM generate_series(1, 500) AS n",
    "CREATE TABLE shop.wide (" + ", ".join(f"c{n} int" for n in range(40)) + ")",
)
VECTOR_OBJECTS = (
    "CREATE EXTENSION vector",
    """CREATE TABLE shop.doc (
           id int, v vector(3), big vector(3000), huge vector(5000), loose vector, h halfvec(3000), sv sparsevec(5),
           bits bit(8)
       )""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A spec that one rule finds."""

    code: str
    spec: dict[str, Any]
    sqlstate: str
    table: str = "shop.item"
    #: What to run on the server when the mistake is not in the CREATE INDEX a spec renders.
    ddl: str | None = None
    #: The text alone shows it.
    offline: bool = True
    #: It has a mechanical fix.
    fixed: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        """Return the spec with a name."""
        return {"name": "ix_bad", **self.spec}

    def __str__(self) -> str:
        return f"{self.code} {self.table} {' '.join(f'{k}={v}' for k, v in self.spec.items())}"[:90]


def _key(expression: str, **more: Any) -> dict[str, Any]:
    return {"keys": [{"expression": expression, **more}]}


def _where(predicate: str) -> dict[str, Any]:
    return {"keys": ["a"], "where": predicate}


BAD = (
    Bad(code="TX101", spec=_where("ts > now()"), sqlstate="42P17"),
    Bad(code="TX101", spec=_where("d > CURRENT_DATE"), sqlstate="42P17"),
    Bad(code="TX101", spec=_where("s = current_user"), sqlstate="42P17"),
    Bad(code="TX101", spec=_key("random()"), sqlstate="42P17"),
    Bad(code="TX101", spec=_key("age(ts)"), sqlstate="42P17"),
    Bad(code="TX101", spec=_key("ts + '1 day'::interval"), sqlstate="42P17", offline=False),
    Bad(code="TX102", spec=_key("date_trunc('day', ts)"), sqlstate="42P17", offline=False, fixed=True),
    Bad(code="TX102", spec=_key("extract(year FROM ts)"), sqlstate="42P17", offline=False, fixed=True),
    Bad(code="TX102", spec=_key("ts::date"), sqlstate="42P17", offline=False, fixed=True),
    Bad(code="TX102", spec=_key("d::timestamptz"), sqlstate="42P17", offline=False, fixed=True),
    Bad(code="TX102", spec=_key("s::date"), sqlstate="42P17", offline=False),
    Bad(code="TX102", spec=_key("to_char(ts, 'YYYY-MM')"), sqlstate="42P17"),
    Bad(
        code="TX102",
        spec={"method": "gin", **_key("to_tsvector(s)")},
        sqlstate="42P17",
        fixed=True,
    ),
    Bad(code="TX102", spec=_key("concat(s, ' ', s2)"), sqlstate="42P17", fixed=True),
    Bad(code="TX102", spec=_key("array_to_string(tags, ',')"), sqlstate="42P17"),
    Bad(code="TX103", spec=_where("EXISTS (SELECT 1 FROM shop.other)"), sqlstate="0A000"),
    Bad(code="TX103", spec=_key("(SELECT 1)"), sqlstate="0A000"),
    Bad(code="TX103", spec=_key("count(a)"), sqlstate="42803"),
    Bad(code="TX103", spec=_key("row_number() OVER ()"), sqlstate="42P20"),
    Bad(code="TX103", spec=_key("unnest(tags)"), sqlstate="0A000"),
    Bad(code="TX103", spec=_where("other.z > 1"), sqlstate="42P01"),
    Bad(code="TX104", spec=_key("lower(s) DESC NULLS LAST"), sqlstate="42601", fixed=True),
    Bad(code="TX104", spec=_key("lower(s) text_pattern_ops"), sqlstate="42601", fixed=True),
    Bad(code="TX104", spec=_where("WHERE flag"), sqlstate="42601", fixed=True),
    Bad(code="TX104", spec=_key("a b"), sqlstate="42601", offline=False),
    Bad(code="TX104", spec=_key("(a"), sqlstate="42601", ddl="CREATE INDEX ON shop.item (((a))"),
    Bad(
        code="TX104",
        spec={"keys": ["(a)::text"]},
        sqlstate="42601",
        ddl="CREATE INDEX ON shop.item ((a)::text)",
        fixed=True,
    ),
    Bad(code="TX105", spec=_where("s"), sqlstate="42804", offline=False, fixed=True),
    Bad(code="TX105", spec=_where("1"), sqlstate="42804"),
    Bad(code="TX105", spec=_where("a + 1"), sqlstate="42804", offline=False),
    Bad(code="TX106", spec={"method": "hash", "keys": ["a"], "unique": True}, sqlstate="0A000", fixed=True),
    Bad(code="TX106", spec={"method": "gin", "keys": ["tags"], "unique": True}, sqlstate="0A000", fixed=True),
    Bad(code="TX107", spec={"method": "gin", "keys": ["tags"], "include": ["a"]}, sqlstate="0A000", fixed=True),
    Bad(
        code="TX107",
        spec={"keys": ["a"], "include": ["lower(s)"]},
        sqlstate="0A000",
        ddl="CREATE INDEX ON shop.item (a) INCLUDE (lower(s))",
    ),
    Bad(
        code="TX107",
        spec={"keys": ["a"], "include": ["b DESC"]},
        sqlstate="42P17",
        ddl="CREATE INDEX ON shop.item (a) INCLUDE (b DESC)",
    ),
    Bad(
        code="TX108",
        spec={"method": "brin", "keys": [{"column": "a", "order": "desc"}]},
        sqlstate="0A000",
        fixed=True,
    ),
    Bad(
        code="TX108",
        spec={"method": "gin", "keys": [{"column": "tags", "nulls": "first"}]},
        sqlstate="0A000",
        fixed=True,
    ),
    Bad(code="TX109", spec={"method": "hash", "keys": ["a", "b"]}, sqlstate="0A000", fixed=True),
    Bad(code="TX109", spec={"method": "spgist", "keys": ["p", "r"]}, sqlstate="0A000"),
    Bad(code="TX110", spec={"keys": ["j"]}, sqlstate="42704", offline=False),
    Bad(code="TX110", spec={"keys": ["x"]}, sqlstate="42704", offline=False),
    Bad(code="TX110", spec={"keys": ["p"]}, sqlstate="42704", offline=False, fixed=True),
    Bad(code="TX110", spec={"method": "gin", "keys": ["s"]}, sqlstate="42704", offline=False, fixed=True),
    Bad(code="TX110", spec={"method": "gist", "keys": ["a"]}, sqlstate="42704", offline=False, fixed=True),
    Bad(code="TX111", spec={"keys": [{"column": "s", "opclass": "gin_trgm_ops"}]}, sqlstate="42704"),
    Bad(
        code="TX111",
        spec={"method": "gin", "keys": [{"column": "s", "opclass": "gin_trgm_opps"}]},
        sqlstate="42704",
        offline=False,
        fixed=True,
    ),
    Bad(code="TX111", spec={"keys": [{"column": "a", "opclass": "text_pattern_ops"}]}, sqlstate="42804", offline=False),
    Bad(code="TX112", spec={"keys": ["a"], "with": {"fillfactor": 5}}, sqlstate="22023", fixed=True),
    Bad(
        code="TX112",
        spec={"method": "gin", "keys": ["tags"], "with": {"fillfactor": 90}},
        sqlstate="22023",
        fixed=True,
    ),
    Bad(
        code="TX112",
        spec={"method": "gin", "keys": ["tags"], "with": {"gin_pending_list_limit": 10}},
        sqlstate="22023",
        fixed=True,
    ),
    Bad(
        code="TX112",
        spec={"method": "brin", "keys": ["a"], "with": {"pages_per_range": 200000}},
        sqlstate="22023",
        fixed=True,
    ),
    Bad(code="TX106", spec={"method": "bloom", "keys": ["a"], "unique": True}, sqlstate="0A000", fixed=True),
    Bad(code="TX107", spec={"method": "bloom", "keys": ["a"], "include": ["b"]}, sqlstate="0A000", fixed=True),
    Bad(
        code="TX108",
        spec={"method": "bloom", "keys": [{"column": "a", "order": "desc"}]},
        sqlstate="0A000",
        fixed=True,
    ),
    Bad(code="TX110", spec={"method": "bloom", "keys": ["a", "score"]}, sqlstate="42704", offline=False, fixed=True),
    Bad(code="TX110", spec={"method": "bloom", "keys": ["jb"]}, sqlstate="42704", offline=False),
    Bad(
        code="TX111",
        spec={"method": "gist", "keys": [{"column": "a", "opclass": "int4_ops"}]},
        sqlstate="42704",
    ),
    Bad(code="TX112", spec={"method": "bloom", "keys": ["a"], "with": {"length": 5000}}, sqlstate="22023", fixed=True),
    Bad(code="TX112", spec={"method": "bloom", "keys": ["a"], "with": {"col1": 0}}, sqlstate="22023", fixed=True),
    Bad(code="TX112", spec={"method": "bloom", "keys": ["a"], "with": {"col33": 2}}, sqlstate="22023", fixed=True),
    Bad(
        code="TX112",
        spec={"method": "gist", "keys": ["p"], "with": {"buffering": "maybe"}},
        sqlstate="22023",
        fixed=True,
    ),
    Bad(
        code="TX112",
        spec={
            "method": "gist",
            "keys": [{"column": "s", "opclass": "gist_trgm_ops", "opclass_parameters": {"siglen": 3000}}],
        },
        sqlstate="22023",
        fixed=True,
    ),
    Bad(code="TX113", spec={"keys": [f"c{n}" for n in range(33)]}, table="shop.wide", sqlstate="54011"),
    Bad(code="TX113", spec={"keys": ["nope"]}, sqlstate="42703", offline=False),
    Bad(code="TX113", spec={"keys": ["ctid"]}, sqlstate="0A000"),
    Bad(code="TX113", spec={"keys": ["id"]}, table="shop.seen", sqlstate="42809", offline=False),
    Bad(code="TX113", spec={"keys": ["id"]}, table="shop.missing", sqlstate="42P01", offline=False),
    Bad(code="TX113", spec={"keys": ["id"]}, table="nowhere.item", sqlstate="3F000", offline=False),
    Bad(code="TX113", spec={"keys": ["relname"]}, table="pg_catalog.pg_class", sqlstate="42501"),
    Bad(
        code="TX114",
        spec={"name": "shop.ix_bad", "keys": ["a"]},
        sqlstate="42601",
        ddl="CREATE INDEX shop.ix_bad ON shop.item (a)",
        fixed=True,
    ),
    Bad(
        code="TX114",
        spec={"name": "item", "keys": ["a"]},
        sqlstate="42P07",
        offline=False,
    ),
    Bad(code="TX115", spec={"keys": [{"column": "s", "collation": "nope"}]}, sqlstate="42704", offline=False),
    Bad(code="TX115", spec={"keys": [{"column": "a", "collation": "C"}]}, sqlstate="42804", offline=False, fixed=True),
    Bad(code="TX117", spec={"keys": ["id"], "unique": True}, table="shop.event", sqlstate="0A000", offline=False),
    Bad(
        code="TX118",
        spec={"name": "event_1_id_idx", "keys": ["id"], "state": "retired"},
        table="shop.event_1",
        sqlstate="2BP01",
        ddl="DROP INDEX shop.event_1_id_idx",
        offline=False,
    ),
    Bad(
        code="TX119",
        spec={"name": "item_pkey", "keys": ["id"], "state": "retired"},
        sqlstate="2BP01",
        ddl="DROP INDEX shop.item_pkey",
        offline=False,
    ),
    Bad(code="TX120", spec={"keys": ["a"], "tablespace": "nope"}, sqlstate="42704", offline=False),
    Bad(code="TX120", spec=_key("a::nosuchtype"), sqlstate="42704", offline=False),
    Bad(code="TX128", spec=_where("nofunction(a)"), sqlstate="42883", offline=False),
)

VECTOR_BAD = (
    Bad(code="TX121", spec={"method": "hnsw", "keys": ["v"]}, table="shop.doc", sqlstate="42704", fixed=True),
    Bad(
        code="TX122",
        spec={"method": "hnsw", "keys": [{"column": "big", "opclass": "vector_cosine_ops"}]},
        table="shop.doc",
        sqlstate="54000",
        offline=False,
        fixed=True,
    ),
    Bad(
        code="TX122",
        spec={"method": "hnsw", "keys": [{"column": "huge", "opclass": "vector_cosine_ops"}]},
        table="shop.doc",
        sqlstate="54000",
        offline=False,
    ),
    Bad(
        code="TX122",
        spec={"method": "hnsw", **_key("loose::vector(2500)", opclass="vector_l2_ops")},
        table="shop.doc",
        sqlstate="54000",
        fixed=True,
    ),
    Bad(
        code="TX122",
        spec={"method": "ivfflat", "keys": ["loose"]},
        table="shop.doc",
        sqlstate="22023",
        offline=False,
    ),
    Bad(
        code="TX123",
        spec={"method": "hnsw", "keys": [{"column": "v", "opclass": "vector_l2_ops"}], "with": {"m": 101}},
        table="shop.doc",
        sqlstate="22023",
    ),
    Bad(
        code="TX123",
        spec={"method": "hnsw", "keys": [{"column": "v", "opclass": "vector_l2_ops"}], "with": {"m": 50}},
        table="shop.doc",
        sqlstate="22023",
        fixed=True,
    ),
    Bad(
        code="TX123",
        spec={"method": "ivfflat", "keys": ["v"], "with": {"lists": 40000}},
        table="shop.doc",
        sqlstate="22023",
        fixed=True,
    ),
    Bad(
        code="TX124",
        spec={"method": "ivfflat", "keys": [{"column": "v", "opclass": "vector_l1_ops"}]},
        table="shop.doc",
        sqlstate="42704",
        fixed=True,
    ),
    Bad(
        code="TX124",
        spec={"method": "ivfflat", "keys": [{"column": "sv", "opclass": "sparsevec_l2_ops"}]},
        table="shop.doc",
        sqlstate="42704",
        fixed=True,
    ),
)

#: What a server builds: no rule may call it an error.
GOOD: tuple[dict[str, Any], ...] = (
    {"method": "bloom", "keys": ["a", "s", "code"], "with": {"length": 160, "col1": 4, "col32": 4095}},
    {"method": "bloom", "keys": [{"column": "a", "opclass": "int4_ops"}], "where": "flag"},
    {"keys": ["a", {"column": "b", "order": "desc", "nulls": "last"}], "include": ["s"], "where": "flag"},
    _key("date_trunc('day', ts AT TIME ZONE 'UTC')"),
    _key("(ts AT TIME ZONE 'UTC')::date"),
    _key("extract(year FROM at)"),
    _key("at::date"),
    _key("a::text"),
    _key("s || ' ' || s2"),
    _key("item.a + shop.item.b"),
    _key("CASE WHEN a > 1 THEN 'x' ELSE s END"),
    _key("jb ->> 'brand'"),
    _key("lower(s)", opclass="text_pattern_ops", order="desc"),
    {"method": "gin", **_key("to_tsvector('english', s)")},
    {"method": "gin", **_key("to_tsvector('english'::regconfig, coalesce(s, ''))")},
    {"method": "gin", "keys": ["tags", {"column": "jb", "opclass": "jsonb_path_ops"}], "with": {"fastupdate": "off"}},
    {"method": "gin", "keys": [{"column": "s", "opclass": "gin_trgm_ops"}]},
    {
        "method": "gist",
        "keys": [{"column": "s", "opclass": "gist_trgm_ops", "opclass_parameters": {"siglen": 64}}],
        "include": ["a"],
        "with": {"buffering": "auto", "fillfactor": 70},
    },
    {"method": "spgist", "keys": ["p"], "include": ["a"]},
    {"method": "spgist", "keys": ["s"]},
    {"method": "brin", "keys": ["a", "ts"], "with": {"pages_per_range": 16, "autosummarize": True}},
    {"method": "brin", "keys": [{"column": "a", "opclass": "int4_minmax_multi_ops"}]},
    {"method": "hash", "keys": ["s"], "with": {"fillfactor": "70.5"}},
    {"keys": [{"column": "s", "collation": "C"}], "unique": True, "with": {"deduplicate_items": "f"}},
    {"keys": ["a"], "where": "ts > '2020-01-01' AND s IN ('x', 'y') AND a = ANY (ARRAY[1, 2])"},
    {"keys": ["a"], "where": "starts_with(s, 'x')"},
    {"keys": ["jb"]},
    {"keys": ["r", "tags", "score"]},
)
VECTOR_GOOD: tuple[dict[str, Any], ...] = (
    {"method": "hnsw", "keys": [{"column": "v", "opclass": "vector_l1_ops"}], "with": {"m": 8, "ef_construction": 32}},
    {"method": "hnsw", "keys": [{"column": "h", "opclass": "halfvec_cosine_ops"}]},
    {"method": "hnsw", **_key("loose::vector(3)", opclass="vector_l2_ops")},
    {"method": "hnsw", **_key("big::halfvec(3000)", opclass="halfvec_l2_ops")},
    {"method": "ivfflat", "keys": ["v"], "with": {"lists": "auto"}},
    {"method": "ivfflat", "keys": [{"column": "bits", "opclass": "bit_hamming_ops"}], "with": {"lists": 10}},
)
