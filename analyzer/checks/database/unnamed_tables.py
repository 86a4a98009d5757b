"""Tables that no recorded statement names, and that nothing else is seen to use."""

from collections.abc import Iterator, Sequence

from analyzer.advise.kept_indexes import LEAST_WINDOW
from analyzer.amounts import plural, size
from analyzer.catalog import Catalog
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.postgres.lex import words
from analyzer.sql import ident

_LEAST_SIZE = Threshold(
    name="unnamed-table.size", default=1024**2, unit="bytes", meaning="smaller tables are not reported"
)

#: How statements begin all of whose names a lexer finds: their constants are parameters.
_READ = frozenset({"select", "insert", "update", "delete", "merge", "with", "table", "values"})


def unnamed(database: Database) -> Iterator[Answer]:
    """Flag tables whose name is in no recorded statement, and in nothing that those can run, if the record is whole."""
    catalog, least = database.catalog, database.value(_LEAST_SIZE)
    gap = _gap(catalog.snapshot) or database.scans.gap()
    named = _named(catalog)
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        if relation.kind not in "rpm" or relation.partition_bound is not None:
            continue
        name = ident(*relation.full_name)
        parts = [relation, *catalog.partitions(relation)]
        held = sum(each.total_size_bytes or each.size_bytes or 0 for each in parts)
        if held < least or any(each.name in named for each in parts) or _is_used(parts, catalog):
            yield Fine(object=name)
        elif gap is not None:
            yield Skipped(object=name, reason=gap)
        elif any(each.activity is None for each in parts if each.kind != "p"):
            yield Skipped(object=name, reason="the server does not show its counters")
        else:
            yield _flagged(name, held, parts, database)


def _flagged(name: str, held: int, parts: Sequence[Relation], database: Database) -> Flagged:
    snapshot = database.catalog.snapshot
    since = snapshot.statements_reset
    days = min(database.scans.window_days, (snapshot.captured_at - since).days if since is not None else 0)
    scans = sum(each.activity.seq_scans for each in parts if each.activity is not None)
    return Flagged(
        object=name,
        message=f"none of {plural(len(snapshot.statements), 'recorded statement')} names it in {plural(days, 'day')}, "
        f"nothing was written to it, and no index of it was scanned; it takes {size(held)}",
        evidence=(
            Fact(name="statements", value=len(snapshot.statements)),
            Fact(name="window", value=days, unit="days"),
            Fact(name="sequential_scans", value=scans),
            Fact(name="size", value=held, unit="bytes"),
        ),
        caveats=(
            "what runs less often than the window is not seen",
            *(("its sequential scans may be those of dumps",) if scans else ()),
        ),
        rewrite="ask its owner; rename it for a while before it is dropped, or revoke the privileges on it",
        confidence="estimate",
    )


def _gap(snapshot: Snapshot) -> str | None:
    """Say why the recorded statements cannot prove that a table is not used; None where they can."""
    if not snapshot.statements:
        return "no statements were recorded"
    if snapshot.statements_evicted is None or snapshot.statements_reset is None:
        return "the server does not say since when pg_stat_statements counts, or whether it evicted entries"
    if snapshot.statements_evicted:
        return "pg_stat_statements evicted entries, which may have named it"
    if snapshot.captured_at - snapshot.statements_reset < LEAST_WINDOW:
        return f"statements have been recorded for less than {LEAST_WINDOW.days} days"
    if not snapshot.values:
        return "the bodies of functions were not captured"
    return None


def _named(catalog: Catalog) -> frozenset[str]:
    """Return every word of the statements, of the functions, and of the views, rules and policies."""
    snapshot = catalog.snapshot
    texts = [
        *(each.query for each in snapshot.statements),
        *(each.query for each in snapshot.log_statements),
        *(each.query for each in snapshot.sampled_statements),
        *(text for each in snapshot.objects for text in each.definition),
        *(each.definition or "" for each in snapshot.relations),
        *(text or "" for each in snapshot.row_security for rule in each.policies for text in (rule.using, rule.check)),
    ]
    read = [words(each) for each in texts]
    # What functions and DO have is a constant to a lexer.
    pairs = zip(texts, read, strict=True)
    opaque = (text for text, found in pairs if not found or text.split(None, 1)[0].lower() not in _READ)
    bodies = "\n".join((*opaque, *(each.definition for each in snapshot.functions))).lower()
    return frozenset[str]().union(*read) | {each.name for each in snapshot.relations if each.name.lower() in bodies}


def _is_used(parts: Sequence[Relation], catalog: Catalog) -> bool:
    """Say whether the counters or a foreign key show a use."""
    counted = [each.activity for each in parts if each.activity is not None]
    return any(
        each.index_scans or each.rows_inserted or each.rows_updated or each.rows_deleted for each in counted
    ) or any(catalog.referencing(*each.full_name) for each in parts)


RULES = (
    HealthRule(
        code="TX512", name="unnamed-table", severity="info", title="no recorded statement names the table",
        examine=unnamed, thresholds=(_LEAST_SIZE,),
    ),
)  # fmt: skip
