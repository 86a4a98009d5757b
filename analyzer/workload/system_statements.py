"""Find statements that read no user table: catalog queries of drivers, SELECT 1, resets of counters.

No index helps them and none hurts them, so they are neither findings nor gaps.
"""

from collections.abc import Iterable

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import lex, significant
from analyzer.workload.parse import Statement
from analyzer.workload.scopes import resolve
from analyzer.workload.tree import UnreadableError


def tableless(statements: Iterable[Statement], snapshot: Snapshot) -> frozenset[Statement]:
    """Return the statements that neither read a user table nor call a function that could."""
    catalog = Catalog(snapshot)
    functions = frozenset(function.name for function in snapshot.functions)
    return frozenset(each for each in statements if _reads_none(each, catalog, functions))


def _reads_none(statement: Statement, catalog: Catalog, functions: frozenset[str]) -> bool:
    try:
        resolved = resolve(statement.plannable, catalog.under(statement.search_path))
    except UnreadableError:
        return False
    if resolved.occurrences or not all(map(_is_system, resolved.unknown)):
        return False
    return functions.isdisjoint(_words(statement.plannable))


def _is_system(name: str) -> bool:
    first = name.replace('"', "").lower().split(".")[0]
    return first.startswith("pg_") or first == "information_schema"


def _words(text: str) -> frozenset[str]:
    tokens = significant(lex(text))
    return frozenset(token.name for token in tokens)
