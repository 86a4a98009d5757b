"""Look up what the choice of an index depends on: types, widths, distinct values, what exists already."""

import re
from collections.abc import Iterator
from typing import Literal

from analyzer.documents.snapshot import Column, ColumnStatistics, Index, Relation, Snapshot, TypeDef
from analyzer.postgres.collations import is_bytewise, is_bytewise_locale
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.lex import lex
from analyzer.postgres.pages import BLOCK_BYTES, MOST_BTREE_BYTES
from analyzer.sql import ident

Family = Literal["text", "jsonb", "array", "tsvector", "range", "vector", "network", "boolean", "scalar", "other"]

#: Wider columns are left out of keys and INCLUDE, since a single value may be many times the average.
WIDE_BYTES = 128
_ASSUMED_WIDTH_BYTES = 32
_ASSUMED_DISTINCT = 200.0

_FAMILIES: dict[str, Family] = {
    "text": "text",
    "character varying": "text",
    "character": "text",
    "citext": "other",
    "name": "scalar",
    "jsonb": "jsonb",
    "tsvector": "tsvector",
    "vector": "vector",
    "halfvec": "vector",
    "sparsevec": "vector",
    "bit": "vector",
    "inet": "network",
    "cidr": "network",
    "boolean": "boolean",
}
_SCALARS = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "real",
        "double precision",
        "money",
        "date",
        "time without time zone",
        "time with time zone",
        "timestamp without time zone",
        "timestamp with time zone",
        "interval",
        "uuid",
        "macaddr",
        "oid",
        "pg_lsn",
        "bit varying",
    }
)
_RANGES = frozenset({"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"})


def type_name(kind: str) -> str:
    """Take the modifier and the schema off a type: `public.vector(3)` is `vector`."""
    bare = re.sub(r"\([^)]*\)", "", kind).strip()
    return re.sub(r"\s+", " ", bare_name(bare))


def dimensions(kind: str) -> int | None:
    """Return the dimensions of a vector type, when it fixes them."""
    found = re.search(r"\((\d+)\)", kind)
    return int(found[1]) if found else None


class Facts:
    """A snapshot, indexed for the questions that candidates raise."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._children: dict[tuple[str, str], list[Relation]] = {}
        for relation in snapshot.relations:
            for parent in relation.parents:
                self._children.setdefault(parent, []).append(relation)
        self._indexes: dict[tuple[str, str], list[Index]] = {}
        for index in snapshot.indexes:
            self._indexes.setdefault((index.definition.schema, index.definition.table), []).append(index)
        self.relations = snapshot.relations_by_name
        path = lex(snapshot.settings.get("search_path", "public"))
        self._search_path = {token.text.strip('"').lower() for token in path} | {"pg_catalog"}

    def indexes(self, relation: Relation) -> list[Index]:
        """Return the indexes of a table."""
        return self._indexes.get((relation.schema_name, relation.name), [])

    def statistics(self, relation: Relation, column: str) -> ColumnStatistics | None:
        """Return a column's statistics, those of the whole tree when there are any."""
        return self.snapshot.column_statistics(relation.schema_name, relation.name, column)

    def _leaves(self, relation: Relation) -> Iterator[Relation]:
        if relation.kind != "p":
            yield relation
        for child in self._children.get((relation.schema_name, relation.name), ()):
            yield from self._leaves(child)

    def pages(self, relation: Relation) -> int:
        """Return the pages of a table, with its partitions and heirs."""
        return sum(max(each.pages, (each.size_bytes or 0) // BLOCK_BYTES) for each in self._leaves(relation))

    def rows(self, relation: Relation) -> float:
        """Return the rows of a table, with its partitions and heirs; 0 when it was never analysed."""
        return sum(max(each.tuples, 0) for each in self._leaves(relation))

    def distinct(self, relation: Relation, column: str) -> float:
        """Return how many different values a column has."""
        statistics = self.statistics(relation, column)
        if statistics is None or statistics.distinct == 0:
            return _ASSUMED_DISTINCT
        return statistics.distinct if statistics.distinct > 0 else -statistics.distinct * max(self.rows(relation), 1)

    def width(self, relation: Relation, column: str) -> int:
        """Return the average width of a column's values in bytes."""
        statistics = self.statistics(relation, column)
        return statistics.average_width if statistics is not None else _ASSUMED_WIDTH_BYTES

    def family(self, column: Column) -> Family:
        """Sort a column's type by what its indexes can do; a domain counts as what it is made of."""
        kind = self.underlying(column.type)
        if kind.endswith("[]"):
            return "array"
        name = type_name(kind)
        made = self._type(kind)
        if name in _SCALARS or (made is not None and made.kind == "e"):
            return "scalar"
        if name in _RANGES or (made is not None and made.kind == "r"):
            return "range"
        return _FAMILIES.get(name, "other")

    def _type(self, kind: str) -> TypeDef | None:
        schema, _, name = kind.rpartition(".")
        found = (each for each in self.snapshot.types if ident(each.name) == name or each.name == name)
        return next((each for each in found if not schema or ident(each.schema_name) == schema), None)

    def underlying(self, kind: str) -> str:
        """Return the type a domain is made of, else the type itself."""
        made = self._type(kind)
        while made is not None and made.kind == "d" and made.base_type is not None:
            kind = made.base_type
            made = self._type(kind)
        return kind

    def sortable(self, relation: Relation, name: str) -> bool:
        """Say whether a column can be a btree key without entries that may be too long."""
        column = relation.column(name)
        if column is None or self.family(column) not in ("text", "scalar", "boolean", "network"):
            return False
        return self.width(relation, name) <= WIDE_BYTES

    def fits(self, relation: Relation, columns: tuple[str, ...]) -> bool:
        """Say whether a btree entry of these columns stays below the limit with much to spare."""
        return sum(self.width(relation, column) for column in columns) * 4 < MOST_BTREE_BYTES

    def opclass(self, name: str, extension: str) -> str | None:
        """Return an extension's operator class as DDL must name it; None when it is not installed."""
        found = next((each for each in self.snapshot.extensions if each.name == extension), None)
        if found is None:
            return None
        return name if found.schema_name.lower() in self._search_path else ident(found.schema_name, name)

    def is_c_collation(self, column: Column) -> bool:
        """Say whether a column sorts by bytes, so that a prefix is a range."""
        if column.collation is not None:
            return is_bytewise(column.collation)
        server = self.snapshot.server
        return is_bytewise_locale(server.locale_provider, server.collate)

    def fraction(self, relation: Relation, column: str, sql: str) -> float | None:
        """Return the share of rows that a condition on one column keeps, where the statistics say."""
        statistics = self.statistics(relation, column)
        if statistics is None:
            return None
        if sql.endswith("IS NULL"):
            return statistics.null_fraction
        if sql.endswith("IS NOT NULL"):
            return 1 - statistics.null_fraction
        values = re.findall(r"[tf]", (statistics.most_common_values or "").strip("{}"))
        shares = dict(zip(values, statistics.most_common_frequencies or (), strict=False))
        if sql == ident(column) or sql.endswith("IS TRUE"):
            return shares.get("t")
        if sql == f"NOT {ident(column)}" or sql.endswith("IS FALSE"):
            return shares.get("f")
        return None
