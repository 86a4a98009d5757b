"""The platform's benchmark takes away every index but the keys, and puts back the same ones."""

from analyzer.db import reading
from benchmarks.platform_indexes import build_indexes, drop_indexes, migrate
from benchmarks.platform_plans import SCHEMAS

_INDEXES = """
    SELECT pg_catalog.pg_get_indexdef(x.indexrelid) AS definition, k.contype IS NOT NULL AS is_key
    FROM pg_catalog.pg_index AS x
    JOIN pg_catalog.pg_class AS t ON t.oid = x.indrelid
    LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
    WHERE t.relkind IN ('r', 'p') AND t.relnamespace::pg_catalog.regnamespace::text = ANY (%(schemas)s)
    ORDER BY definition
"""


def indexes(url: str) -> dict[str, bool]:
    """Read the definitions of all indexes, and which are of keys."""
    with reading(url) as connection:
        rows = connection.execute(_INDEXES, {"schemas": list(SCHEMAS)}).fetchall()
    return {str(row["definition"]): bool(row["is_key"]) for row in rows}


def test_indexes_are_taken_away_but_for_keys_and_come_back_as_they_were(database: str) -> None:
    migrate(database)
    before = indexes(database)
    drop_indexes(database)
    assert indexes(database) == {definition: True for definition, is_key in before.items() if is_key}
    builds = build_indexes(database)
    assert indexes(database) == before
    partitioned = sum("conversation_messages_" in definition for definition in before)
    assert builds.indexes < len(before) - partitioned
    assert builds.indexes >= 80
