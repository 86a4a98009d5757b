"""Find the schemas in which a statement looked up its tables: those of its role, else the only ones that have them all.

A session can set a search_path that nothing records. Then a name that is not found leads to the schema that has it, and
where several have it no one is guessed.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.postgres.lex import lex, significant
from analyzer.sql import shortened
from analyzer.workload.scopes import resolve
from analyzer.workload.tree import UnreadableError

#: Schemas that a message names.
_MOST_NAMED = 3
_MOST_SHOWN = 60


class AmbiguousNameError(InputError):
    """Several schemas have a table of a statement, and nothing says which of them is meant."""


class SearchPaths:
    """Where the statements of a snapshot look up their tables."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._catalog = Catalog(snapshot)
        #: By bare name of a table.
        self._schemas: defaultdict[str, set[str]] = defaultdict(set)
        for relation in snapshot.relations:
            self._schemas[relation.name].add(relation.schema_name)

    def find(self, text: str, own: Sequence[str] | None) -> tuple[str, ...] | None:
        """Return the search path of a statement whose role has `own`; None where that of the session finds the same.

        Raises AmbiguousNameError.
        """
        here = self._catalog.search_path
        path = here if own is None else tuple(own)
        names = frozenset(self._bare_names(text))
        missing = {name for name in names if self._first(name, path) is None}
        if missing and (unknown := self._unknown(text, path, missing)):
            return (*path, *self._only_schemas(unknown))
        differs = any(self._first(name, path) != self._first(name, here) for name in names)
        return path if differs else None

    def definition(self, schema: str | None, view: str) -> str | None:
        """Return the query of a materialised view, if it was captured."""
        relation = self._catalog.find(schema, view)
        return relation.definition if relation is not None and relation.kind == "m" else None

    def _bare_names(self, text: str) -> Iterator[str]:
        tokens = significant(lex(text))
        for at, token in enumerate(tokens):
            beside = {each.text for each in (*tokens[max(at - 1, 0) : at], *tokens[at + 1 : at + 2])}
            if token.name in self._schemas and "." not in beside:
                yield token.name

    def _first(self, name: str, path: Sequence[str]) -> str | None:
        return next((schema for schema in path if schema in self._schemas[name]), None)

    def _unknown(self, text: str, path: tuple[str, ...], missing: set[str]) -> set[str]:
        """Leave what is no table in the statement, but a column, an alias or a WITH query."""
        try:
            return missing.intersection(resolve(text, self._catalog.under(path)).unknown)
        except UnreadableError:
            return missing

    def _only_schemas(self, names: set[str]) -> tuple[str, ...]:
        """Return the one schema that has all of some tables, or the only one of each."""
        having_all = set[str].intersection(*(self._schemas[name] for name in names))
        if len(having_all) == 1:
            return tuple(having_all)
        for name in sorted(names):
            if len(schemas := self._schemas[name]) > 1:
                listed = sorted(schemas)
                more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
                raise AmbiguousNameError(
                    f"{len(listed)} schemas have its table {shortened(name, _MOST_SHOWN)} "
                    f"({', '.join(shortened(each, _MOST_SHOWN) for each in listed[:_MOST_NAMED])}{more}) and the "
                    "search_path of its session is not recorded; specify it with --search-path, or set it for the role"
                )
        return tuple(sorted({schema for name in names for schema in self._schemas[name]}))
