"""A report as a real one looks: 30 statements, 7 proposals, measured, with a regression, findings and gaps."""

from datetime import UTC, datetime

from pydantic import JsonValue

from analyzer.documents.findings import CheckCount, Finding
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.proposals import (
    Alternative,
    Built,
    FrontierPoint,
    HelpedStatement,
    NotProposed,
    Proposal,
    ProposeDocument,
    Risk,
)
from analyzer.documents.provenance import Capability, Provenance
from analyzer.documents.report import Report, Statement
from analyzer.documents.verification import Verification, VerifiedStatement
from analyzer.documents.whatif import WhatifDocument, WhatifStatement
from analyzer.documents.write_costs import Upkeep
from analyzer.render.provenance import measured
from tests.unit.sample_plans import bitmap, explained, index_scan, over, scan

QUOTE_LIST = """SELECT q.id, q.number, q.total, c.name
  FROM catalog.quote AS q
  JOIN catalog.customer AS c ON c.id = q.customer_id
 WHERE q.company_id = $1 AND q.status = $2
 ORDER BY q.created_at DESC
 LIMIT $3"""

#: id: (query, calls, mean ms, rows, cost, cost after, mean ms after)
WORKLOAD: dict[str, tuple[str, int, float, int, float, float, float]] = {
    "5f1c9a04be21": (
        QUOTE_LIST,
        18_240,
        41.8,
        364_800,
        15_377.67,
        90.84,
        0.62,
    ),
    "a3d0772fe918": (
        "SELECT id, name, price FROM catalog.product WHERE name ILIKE $1 ORDER BY name LIMIT $2",
        6_120,
        96.4,
        61_200,
        28_412.10,
        412.36,
        3.9,
    ),
    "0c88e6d1b7f3": (
        "SELECT id, name FROM catalog.product WHERE attributes @> $1",
        4_410,
        88.1,
        92_610,
        27_902.55,
        233.08,
        1.71,
    ),
    "b61f02c94d5e": (
        "SELECT d.id, d.title FROM catalog.document AS d ORDER BY d.embedding <=> $1 LIMIT $2",
        1_980,
        139.0,
        19_800,
        3_904.00,
        141.70,
        4.4,
    ),
    "77aa4e3c0912": (
        "SELECT status, sum(total) FROM catalog.quote WHERE company_id = $1 AND created_at >= $2 GROUP BY status",
        2_760,
        38.2,
        13_800,
        15_402.11,
        301.45,
        2.2,
    ),
    "e90b5d7c3366": ("DELETE FROM catalog.customer WHERE id = $1", 640, 121.5, 640, 15_130.44, 16.72, 0.41),
    "214fcdb8a07e": (
        "SELECT id, title FROM catalog.document WHERE state = $1 AND indexed_at IS NULL ORDER BY id LIMIT $2",
        5_300,
        11.9,
        106_000,
        4_120.90,
        22.31,
        0.29,
    ),
    "c4479be05d1a": (
        "SELECT product_id FROM catalog.product_classification WHERE class_code = $1 AND confidence > $2",
        3_900,
        14.2,
        487_500,
        6_233.00,
        118.02,
        0.94,
    ),
    "9d3e61fa72b4": (
        "UPDATE catalog.quote SET status = $1, updated_at = now() WHERE id = $2",
        22_400,
        0.31,
        22_400,
        8.46,
        8.46,
        0.44,
    ),
    "18b2f7a6c053": (
        "INSERT INTO catalog.quote (company_id, customer_id, number, total) VALUES ($1, $2, $3, $4)",
        9_800,
        0.48,
        9_800,
        0.01,
        0.01,
        0.55,
    ),
    "f0417bd92ce8": ("SELECT * FROM catalog.company WHERE id = $1", 41_200, 0.06, 41_200, 8.29, 8.29, 0.06),
    "3ab90e57d4c1": (
        "SELECT id FROM catalog.vendor WHERE note <> '<script>alert(\"x\")</script>' AND name = $1",
        1_200,
        0.9,
        1_200,
        34.5,
        34.5,
        0.9,
    ),
}

_TABLES = (
    "product",
    "vendor",
    "company",
    "customer",
    "quote",
    "document",
    "product_classification",
    "classification_cache",
)


def _plans() -> dict[str, tuple[JsonValue, JsonValue]]:
    customers = index_scan("customer", "customer_pkey", condition="(id = q.customer_id)", total=8.31, rows=1, alias="c")
    quotes = "((company_id = $1) AND ((status)::text = $2))"
    recent = index_scan(
        "quote", "ix_quote_company_status_created", condition=quotes, total=64.2, rows=212, alias="q", backward=True
    )
    slow = over(
        "Gather Merge",
        15_377.6,
        177,
        over(
            "Sort",
            14_357.3,
            88,
            scan("quote", filter_=quotes, total=14_354.4, rows=88, alias="q", parallel=True),
            Sort_Key=["q.created_at DESC"],
        ),
        Workers_Planned=2,
    )
    like, contains = "((name)::text ~~* $1)", "(attributes @> $1)"
    vector = "(embedding <=> $1)"
    return {
        "5f1c9a04be21": (
            explained(
                over("Limit", 15_377.67, 20, over("Nested Loop", 15_377.67, 177, slow, customers, Join_Type="Inner"))
            ),
            explained(over("Limit", 90.84, 20, over("Nested Loop", 90.84, 212, recent, customers, Join_Type="Inner"))),
        ),
        "a3d0772fe918": (
            explained(
                over(
                    "Limit",
                    28_412.1,
                    10,
                    over(
                        "Sort",
                        28_412.1,
                        160,
                        scan("product", filter_=like, total=28_406.0, rows=160),
                        Sort_Key=["name"],
                    ),
                )
            ),
            explained(
                over(
                    "Limit",
                    412.36,
                    10,
                    over(
                        "Sort",
                        412.36,
                        160,
                        bitmap("product", "ix_product_name_trgm", condition=like, total=406.2, rows=160),
                        Sort_Key=["name"],
                    ),
                )
            ),
        ),
        "0c88e6d1b7f3": (
            explained(scan("product", filter_=contains, total=27_902.55, rows=80)),
            explained(bitmap("product", "ix_product_attributes", condition=contains, total=233.08, rows=80)),
        ),
        "b61f02c94d5e": (
            explained(
                over(
                    "Limit",
                    3_904.0,
                    10,
                    over(
                        "Sort",
                        3_904.0,
                        20_000,
                        scan("document", filter_="", total=3_471.8, rows=20_000, alias="d"),
                        Sort_Key=[vector],
                    ),
                )
            ),
            explained(
                over(
                    "Limit",
                    141.7,
                    10,
                    {
                        **index_scan(
                            "document", "ix_document_embedding", condition="", total=2_604.0, rows=20_000, alias="d"
                        ),
                        "Order By": vector,
                    },
                )
            ),
        ),
        "77aa4e3c0912": (
            explained(
                over(
                    "Aggregate",
                    15_402.11,
                    5,
                    scan("quote", filter_="((company_id = $1) AND (created_at >= $2))", total=15_398.0, rows=810),
                    Strategy="Hashed",
                    Group_Key=["status"],
                )
            ),
            explained(
                over(
                    "Aggregate",
                    301.45,
                    5,
                    index_scan(
                        "quote",
                        "ix_quote_company_created_cover",
                        condition="((company_id = $1) AND (created_at >= $2))",
                        total=297.4,
                        rows=810,
                        only=True,
                    ),
                    Strategy="Hashed",
                    Group_Key=["status"],
                )
            ),
        ),
    }


#: name: (DDL after the name, table, size, real size, build s, helped, reason, caveats)
_PROPOSALS: tuple[tuple[str, str, str, int, int, float, tuple[str, ...], str, tuple[str, ...]], ...] = (
    (
        "ix_quote_company_status_created",
        "USING btree (company_id, status, created_at DESC)",
        "catalog.quote",
        33_554_432,
        34_103_296,
        1.42,
        ("5f1c9a04be21",),
        "Two equalities, then the sort of the quote list: LIMIT stops after the first page.",
        ("22,400 updates of status in this window lose the HOT path.",),
    ),
    (
        "ix_product_name_trgm",
        "USING gin (name gin_trgm_ops)",
        "catalog.product",
        48_234_496,
        51_208_192,
        6.8,
        ("a3d0772fe918",),
        "ILIKE with a leading wildcard can only use trigrams.",
        (
            "Patterns under three characters still read the whole index.",
            "The generic plan assumes a selective pattern.",
        ),
    ),
    (
        "ix_product_attributes",
        "USING gin (attributes jsonb_path_ops) WITH (fastupdate=off)",
        "catalog.product",
        22_020_096,
        21_495_808,
        3.1,
        ("0c88e6d1b7f3",),
        "Attribute filters use @>, which jsonb_path_ops answers with the smaller index.",
        (),
    ),
    (
        "ix_document_embedding",
        "USING ivfflat (embedding vector_cosine_ops) WITH (lists=20)",
        "catalog.document",
        163_577_856,
        164_364_288,
        9.7,
        ("b61f02c94d5e",),
        "Nearest neighbours by cosine distance with LIMIT.",
        ("Approximate: recall depends on ivfflat.probes, not examined.",),
    ),
    (
        "ix_quote_customer_id",
        "USING btree (customer_id)",
        "catalog.quote",
        9_437_184,
        9_371_648,
        0.7,
        ("e90b5d7c3366",),
        "quote_customer_id_fkey has no index: every delete of a customer reads all quotes.",
        (),
    ),
    (
        "ix_quote_company_created_cover",
        "USING btree (company_id, created_at) INCLUDE (status, total)",
        "catalog.quote",
        41_943_040,
        42_311_680,
        1.6,
        ("77aa4e3c0912", "5f1c9a04be21"),
        "The monthly summary reads the index alone.",
        ("Index-only scans need VACUUM; 91 % of the pages are all-visible now.",),
    ),
    (
        "ix_document_pending",
        "USING btree (id) WHERE ((indexed_at IS NULL) AND (state = 'new'::text))",
        "catalog.document",
        131_072,
        122_880,
        0.1,
        ("214fcdb8a07e",),
        "The queue of documents to index is 0.6 % of the table.",
        (),
    ),
)


def provenance() -> Provenance:
    return Provenance(
        tool_version="0.1.0",
        server_version="PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc 14.2.0, 64-bit",
        server_role="primary",
        database="platform",
        captured_by="twindex_reader",
        captured_at=datetime(2026, 9, 14, 6, 30, tzinfo=UTC),
        counters_since=datetime(2026, 8, 3, 0, 0, tzinfo=UTC),
        statements_since=datetime(2026, 9, 7, 0, 0, tzinfo=UTC),
        statements_evicted=112,
        planner="PostgreSQL 18.6 twin (same major)",
        capabilities=(
            Capability(name="pg_stat_statements", available=True, note="1.12"),
            Capability(name="reads all statistics", available=True),
            Capability(name="replicas", available=False, note="none was named; indexes only they use cannot be seen"),
        ),
    )


def _workload() -> dict[str, tuple[str, int, float, int, float, float, float]]:
    more = {
        f"{0x51A0B3 * (n + 3):012x}"[-12:]: (
            f"SELECT t.id FROM catalog.{_TABLES[n % 8]} AS t WHERE t.external_ref_{n} = $1 AND t.deleted_at IS NULL",
            900 - 40 * n,
            0.9 + 0.13 * n,
            900,
            12.4 + n,
            12.4 + n,
            (0.9 + 0.13 * n) * (1.01 if n != 4 else 1.62),
        )
        for n in range(18)
    }
    return WORKLOAD | more


def statements() -> tuple[Statement, ...]:
    work = _workload()
    total = sum(calls * mean for _, calls, mean, *_ in work.values())
    return tuple(
        Statement(
            id=identity,
            queryid=str(-4_412_345_678_901_234_567 + 7919 * number),
            query=query,
            calls=calls,
            total_ms=calls * mean,
            mean_ms=mean,
            rows=rows,
            share_of_time=calls * mean / total,
            cost=cost,
            cost_after=after,
        )
        for number, (identity, (query, calls, mean, rows, cost, after, _)) in enumerate(work.items())
    )


def proposals() -> tuple[Proposal, ...]:
    known = {statement.id: statement for statement in statements()}
    plans = _plans()
    running = sum(s.calls * (s.cost or 0) for s in known.values())
    found: list[Proposal] = []
    for name, rest, table, size, _, _, helped, reason, caveats in _PROPOSALS:
        gain = sum(known[i].calls * ((known[i].cost or 0) - (known[i].cost_after or 0)) for i in helped[:1])
        found.append(
            Proposal(
                ddl=f"CREATE INDEX CONCURRENTLY {name} ON {table} {rest}",
                downgrade_ddl=f"DROP INDEX CONCURRENTLY catalog.{name}",
                name=name,
                table=table,
                size_bytes=size,
                share_of_time=sum(known[i].share_of_time for i in helped),
                statements=tuple(
                    HelpedStatement(
                        id=i,
                        queryid=known[i].queryid,
                        query=known[i].query,
                        calls=known[i].calls,
                        share_of_time=known[i].share_of_time,
                        cost_before=known[i].cost or 0,
                        cost_after=known[i].cost_after or 0,
                        plan_before=plans.get(i, (None, None))[0],
                        plan_after=plans.get(i, (None, None))[1],
                    )
                    for i in helped
                ),
                cost_before=running,
                cost_after=running - gain,
                reason=reason,
                caveats=caveats,
                saves_alone=1.1 * gain / running,
                saves_beside=gain / running,
                alternatives=(
                    Alternative(ddl=f"CREATE INDEX {name}_wide ON {table} {rest}", size_bytes=2 * size, saves=0.01),
                ),
                risks=tuple(
                    Risk(pattern="limit", statement=i, text="reads in index order until the LIMIT is met")
                    for i in helped
                ),
                upkeep=Upkeep(
                    cost=gain * 0.03,
                    share_of_saving=0.03,
                    entries=12 * 86_400,
                    other_entries=0,
                    hot_updates_lost=0,
                    wal_bytes=1900 * 86_400,
                    window_seconds=86_400,
                    source="statements",
                ),
            )
        )
        running -= gain
    return tuple(found)


def gaps() -> tuple[NotExamined, ...]:
    return (
        NotExamined(what="replicas", reason="none was named"),
        NotExamined(
            what="a statement",
            reason='EXPLAIN refused it: column "secret_column" does not exist',
            query="SELECT secret_column FROM catalog.gone WHERE pin = 4711",
        ),
        NotExamined(
            what="extended statistics of catalog.product", reason="the role may not read pg_statistic_ext_data"
        ),
    )


def verification() -> Verification:
    return Verification(
        basis="each statement run five times with captured values, warm cache",
        statements=tuple(
            VerifiedStatement(
                id=identity,
                queryid=None,
                query=query,
                calls=calls,
                mean_ms_before=mean,
                mean_ms_after=after_ms,
                predicted_ratio=cost / after,
            )
            for identity, (query, calls, mean, _, cost, after, after_ms) in _workload().items()
        ),
    )


def predicted() -> Report:
    """Make the report as it is before anything was built."""
    return Report(
        frontier=(
            FrontierPoint(size_bytes=9_000_000, indexes=3, cost=0.62),
            FrontierPoint(size_bytes=31_000_000, indexes=7, cost=0.31, proposed=True),
            FrontierPoint(size_bytes=88_000_000, indexes=11, cost=0.29),
        ),
        provenance=provenance(),
        statements=statements(),
        proposals=proposals(),
        findings=(
            Finding(
                code="TWX201",
                severity="warning",
                object='catalog."Vendor"',
                message="the foreign key vendor_company_id_fkey has no index",
                file="index_specs/vendor.yaml",
                line=4,
            ),
            Finding(
                code="TWX105",
                severity="error",
                object="catalog.ix_quote_old",
                message="the index is invalid: its concurrent build was interrupted",
                file=None,
                line=None,
            ),
            Finding(
                code="TWX310",
                severity="info",
                object="catalog.ix_company_name",
                message="not used in 42 days on this node; replicas were not examined",
                file="index_specs/company.yaml",
                line=12,
            ),
        ),
        checks=(
            CheckCount(code="TWX105", examined=41, skipped=0, flagged=1),
            CheckCount(code="TWX201", examined=12, skipped=0, flagged=1),
            CheckCount(code="TWX310", examined=33, skipped=8, flagged=1, skipped_because=("they back a constraint",)),
        ),
        not_proposed=(
            NotProposed(
                ddl="CREATE INDEX ON catalog.vendor USING btree (name)",
                reason="the table has 214 rows; the planner keeps the sequential scan",
            ),
            NotProposed(
                ddl="CREATE INDEX ON catalog.quote USING btree (company_id)",
                reason="ix_quote_company_status_created already leads with company_id",
            ),
        ),
        not_examined=gaps(),
    )


def sample() -> Report:
    """Make the report as it is after the deploy was measured."""
    built = {name: Built(size_bytes=real, build_seconds=took) for name, _, _, _, real, took, *_ in _PROPOSALS}
    return measured(predicted(), verification(), built)


def propose_document() -> ProposeDocument:
    """Make what `twindex propose` says."""
    report = predicted()
    return ProposeDocument(
        frontier=report.frontier,
        provenance=report.provenance,
        proposals=report.proposals,
        not_proposed=report.not_proposed,
        not_examined=gaps(),
    )


def whatif_document() -> WhatifDocument:
    """Make what `twindex whatif` says, with a statement that could not be planned."""
    first = proposals()[0].statements[0]
    return WhatifDocument(
        provenance=provenance(),
        statements=(
            WhatifStatement(
                id=first.id,
                query=first.query,
                cost_before=first.cost_before,
                cost_after=first.cost_after,
                plan_before=first.plan_before,
                plan_after=first.plan_after,
            ),
            WhatifStatement(
                id="dead00beef11",
                query="SELECT pin FROM vault WHERE pin = 'hunter2'",
                cost_before=None,
                cost_after=None,
                error='relation "vault" does not exist\nLINE 1: SELECT pin FROM vault',
            ),
        ),
        total_before=first.cost_before,
        total_after=first.cost_after,
    )
