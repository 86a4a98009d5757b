"""Collations whose library sorts otherwise than when indexes were built by it."""

from collections.abc import Iterator

from analyzer.catalog import Catalog
from analyzer.checks.database.remedies import refresh
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import CollationVersion, Index
from analyzer.postgres.identifiers import bare_name
from analyzer.sql import ident


def drifted(database: Database) -> Iterator[Answer]:
    """Flag a collation with another version than the recorded one, if an index is sorted by it."""
    snapshot = database.catalog.snapshot
    own = str(ident(snapshot.server.database))
    if snapshot.collation_versions is None:
        yield Skipped(object=own, reason="the server does not show the versions of its collations")
        return
    for collation in snapshot.collation_versions:
        name = collation.identity or own
        indexes = list(_sorted_by(collation, database.catalog))
        if collation.recorded == collation.actual or not indexes:
            yield Fine(object=name)
        elif collation.recorded is None or collation.actual is None:
            yield Skipped(object=name, reason="the version by which its indexes were built was not recorded")
        else:
            what = "the default collation" if collation.identity is None else "the collation"
            first = indexes[0].definition.qualified_name
            yield Flagged(
                object=name,
                message=f"{what} has version {collation.actual} and had {collation.recorded}: "
                f"what {first} finds may lack rows, and likewise of all {len(indexes):,} indexes that it sorts",
                evidence=(
                    Fact(name="recorded", value=collation.recorded),
                    Fact(name="actual", value=collation.actual),
                    Fact(name="indexes", value=len(indexes)),
                ),
                caveats=(
                    "partition bounds, CHECK constraints and predicates may rest on the old order as well",
                    "another database has indexes and a recorded version of its own",
                ),
                remedy=refresh(indexes, collation.identity, snapshot.server),
                rewrite="build the indexes again before the version is refreshed, which only ends the warning",
            )


def _sorted_by(collation: CollationVersion, catalog: Catalog) -> Iterator[Index]:
    """Yield the indexes with a key that a collation sorts: hash and pattern operator classes compare bytes."""
    seen = set[tuple[str, str]]()
    for schema, name, position in collation.keys:
        index = catalog.index(schema, name)
        if index is None or (schema, name) in seen or index.definition.method == "hash":
            continue
        keys = index.definition.keys
        if position > len(keys) or not bare_name(keys[position - 1].opclass).endswith("_pattern_ops"):
            seen.add((schema, name))
            yield index


RULES = (
    HealthRule(
        code="TX418", name="collation-drift", severity="warning",
        title="indexes were built by another version of their collation", examine=drifted,
    ),
)  # fmt: skip
