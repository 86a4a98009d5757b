"""Look up what a snapshot holds: relations by name, what refers to them, rows, types, widths, distinct values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from analyzer.documents.snapshot import Column, ColumnStatistics, Constraint, Index, Relation, Snapshot, TypeDef
from analyzer.objects.operator_classes import OperatorClass, OperatorClasses
from analyzer.objects.volatility import Function, Volatility
from analyzer.postgres.arrays import parse_array
from analyzer.postgres.collations import EVERYWHERE, is_bytewise, is_bytewise_locale, is_default
from analyzer.postgres.identifiers import bare_name, listed_names
from analyzer.postgres.pages import BLOCK_BYTES, MOST_BTREE_BYTES
from analyzer.sql import ident

#: Wider columns are left out of keys and INCLUDE, since a single value may be many times the average.
WIDE_BYTES = 128
#: The same for arrays, documents and their like, whose values differ in size by orders of magnitude.
WIDE_OPEN_BYTES = 64
_ASSUMED_WIDTH_BYTES = 32
_ASSUMED_DISTINCT = 200.0

#: A constant of a condition: in quotes, or a number.
_CONSTANT = re.compile(r"'((?:[^']|'')*)'|(-?[0-9][0-9.]*)")
#: Categories of types: dates and times, and what may consist of them, ranges and composites.
_OF_TIME = frozenset("DRC")
#: Types by the names that a parser gives them.
_SHORT_NAMES = {
    "varchar": "character varying",
    "int": "integer",
    "decimal": "numeric",
    "float": "real",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}


def type_name(kind: str) -> str:
    """Take the modifier and the schema off a type: `public.vector(3)` is `vector`."""
    bare = re.sub(r"\([^)]*\)", "", kind).strip()
    return re.sub(r"\s+", " ", bare_name(bare))


def dimensions(kind: str) -> int | None:
    """Return the dimensions of a vector type, when it fixes them."""
    found = re.search(r"\((\d+)\)", kind)
    return int(found[1]) if found else None


class Catalog:
    """One look-up over a snapshot: relations found as the server finds them, and what is known of each."""

    def __init__(
        self,
        snapshot: Snapshot,
        search_path: tuple[str, ...] | None = None,
        operators: OperatorClasses | None = None,
        volatility: Volatility | None = None,
    ) -> None:
        self.snapshot = snapshot
        #: The server's; none where no server was asked.
        self.operators = operators or OperatorClasses()
        self.volatility = volatility or Volatility()
        self.relations = snapshot.relations_by_name
        self._search_path = search_path
        self._others: dict[tuple[str, ...], Catalog] = {}
        #: The look-up under the search path of the capturing session.
        self._session = self

    def under(self, search_path: tuple[str, ...] | None) -> "Catalog":
        """Return the look-up under another search path; None is that of the capturing session."""
        if search_path is None:
            return self
        if search_path not in self._others:
            other = self._others[search_path] = Catalog(self.snapshot, search_path, self.operators, self.volatility)
            other._session = self._session
        return self._others[search_path]

    @cached_property
    def search_path(self) -> tuple[str, ...]:
        """Schemas in which a name without one is looked up, after pg_catalog."""
        if self._search_path is not None:
            return self._search_path
        names = listed_names(self.snapshot.settings.get("search_path", '"$user", public'))
        return tuple(self.snapshot.server.role if name == "$user" else name for name in names if name)

    @property
    def _searched(self) -> tuple[str, ...]:
        """Schemas in which a name is looked up; pg_catalog before all others where the search path does not name it."""
        return self.search_path if "pg_catalog" in self.search_path else ("pg_catalog", *self.search_path)

    @cached_property
    def _collations(self) -> frozenset[tuple[str | None, str | None]]:
        """Schemas and names of the collations that are known."""
        captured = {(each.schema_name, each.name) for each in self.snapshot.objects if each.kind == "collation"}
        return frozenset(captured | {("pg_catalog", each) for each in EVERYWHERE})

    @cached_property
    def _children(self) -> Mapping[tuple[str, str], Sequence[Relation]]:
        found: dict[tuple[str, str], list[Relation]] = {}
        for relation in self.snapshot.relations:
            for parent in relation.parents:
                found.setdefault(parent, []).append(relation)
        return found

    @cached_property
    def _indexes(self) -> Mapping[tuple[str, str], list[Index]]:
        found: dict[tuple[str, str], list[Index]] = {}
        for index in self.snapshot.indexes:
            found.setdefault(index.definition.full_table, []).append(index)
        return found

    @cached_property
    def _indexes_by_name(self) -> Mapping[tuple[str, str], Index]:
        return {(each.definition.schema, each.definition.name): each for each in self.snapshot.indexes}

    @cached_property
    def _referencing(self) -> Mapping[tuple[str, str], Sequence[tuple[Relation, Constraint]]]:
        found: dict[tuple[str, str], list[tuple[Relation, Constraint]]] = {}
        for relation in self.snapshot.relations:
            for constraint in relation.constraints:
                if constraint.kind == "f" and constraint.referenced_schema and constraint.referenced_table:
                    referenced = (constraint.referenced_schema, constraint.referenced_table)
                    found.setdefault(referenced, []).append((relation, constraint))
        return found

    def find(self, schema: str | None, name: str) -> Relation | None:
        """Return the relation a name means, if it was captured."""
        schemas = self.search_path if schema is None else (schema,)
        return next((found for each in schemas if (found := self.relations.get((each, name)))), None)

    def index(self, schema: str, name: str) -> Index | None:
        """Return the index of that name, if it was captured."""
        return self._indexes_by_name.get((schema, name))

    def indexes(self, relation: Relation) -> list[Index]:
        """Return the indexes of a table."""
        return self.indexes_of(relation.full_name)

    def indexes_of(self, table: tuple[str, str]) -> list[Index]:
        """Return the indexes of a table by its name; none where it was not captured."""
        return self._indexes.get(table, [])

    def referencing(self, schema: str, table: str) -> Sequence[tuple[Relation, Constraint]]:
        """Return the foreign keys that refer to a table, each with the table that has it."""
        return self._referencing.get((schema, table), ())

    def statistics(self, relation: Relation, column: str) -> ColumnStatistics | None:
        """Return a column's statistics, those of the whole tree when there are any."""
        return self.snapshot.column_statistics(relation.schema_name, relation.name, column)

    def _tree(self, relation: Relation, *, heirs: bool) -> Iterator[Relation]:
        """Yield a table with its partitions and, if asked, its heirs, each once however many parents it has."""
        seen, pending = set[tuple[str, str]](), [relation]
        while pending:
            each = pending.pop()
            key = (each.schema_name, each.name)
            if key in seen:
                continue
            seen.add(key)
            yield each
            if heirs or each.kind == "p":
                pending += reversed(self._children.get(key, ()))

    def _leaves(self, relation: Relation) -> Iterator[Relation]:
        return (each for each in self._tree(relation, heirs=True) if each.kind != "p")

    def _indexed(self, relation: Relation) -> Iterator[Relation]:
        """Yield the tables that hold the rows an index on a table is of: heirs and foreign tables have none of it."""
        return (each for each in self._tree(relation, heirs=False) if each.kind not in "pf")

    def children(self, relation: Relation) -> Sequence[Relation]:
        """Return the partitions and heirs of a table itself."""
        return self._children.get(relation.full_name, ())

    def partitions(self, relation: Relation) -> Iterator[Relation]:
        """Yield the partitions of a partitioned table, those of its partitions among them."""
        return (each for each in self._tree(relation, heirs=False) if each is not relation)

    def pages(self, relation: Relation) -> int:
        """Return the pages of a table, with its partitions and heirs."""
        return sum(max(each.pages, (each.size_bytes or 0) // BLOCK_BYTES) for each in self._leaves(relation))

    def rows(self, relation: Relation) -> float:
        """Return the rows that reading a table gives, with its partitions and heirs; 0 when it was never analysed."""
        return sum(max(each.tuples, 0) for each in self._leaves(relation))

    def indexed_rows(self, schema: str, table: str) -> float | None:
        """Return the rows of a table that its indexes cover, partitions added up; None if never analyzed.

        As of the last ANALYZE: what `lists: auto` resolves by. predict/key_statistics.py has the planner's own estimate
        of one table's current rows.
        """
        relation = self.relations.get((schema, table))
        if relation is None:
            return None
        known = [each.tuples for each in self._indexed(relation) if each.tuples >= 0]
        return sum(known) if known else (relation.tuples if relation.tuples >= 0 else None)

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

    def _type(self, kind: str) -> TypeDef | None:
        schema, _, name = kind.rpartition(".")
        found = (each for each in self.snapshot.types if ident(each.name) == name or each.name == name)
        return next((each for each in found if not schema or ident(each.schema_name) == schema), None)

    def underlying(self, kind: str) -> str:
        """Return the type a domain is made of, else the type itself."""
        for made in self._domains(kind):
            kind = made.base_type or kind
        return kind

    def _domains(self, kind: str) -> Iterator[TypeDef]:
        """Yield the domain that a type is, the one that it is made of, and so on."""
        seen = set[str]()
        made = self._type(kind)
        # A snapshot file may say that a domain is made of itself.
        while made is not None and made.kind == "d" and made.base_type is not None and kind not in seen:
            seen.add(kind)
            yield made
            kind = made.base_type
            made = self._type(kind)

    def relabels(self, column: Column, kind: str) -> bool:
        """Say whether a cast of a column to a type leaves its values as they are: to what a domain or varchar is."""
        base = type_name(self.underlying(column.type)).lower()
        target = _SHORT_NAMES.get(kind.lower(), kind.lower())
        is_text = base == "character varying" and target in ("text", "character varying")
        return is_text or (target == base and column.type != base) or self._is_of_one_order(column.type, kind)

    def _is_of_one_order(self, kind: str, target: str) -> bool:
        """Say whether a type is another one to a btree, as cidr is inet: their values have the same bytes and order."""
        own, other = self.operators.base(kind), self.operators.type_named(target)
        found = self.operators.default_class(other, "btree") if (own, other) in self.operators.casts else None
        return found is not None and self.operators.default_class(own, "btree") == found

    def function(self, schema: str | None, name: str, kinds: Sequence[str | None]) -> Function | None:
        """Return the immutable function that a call means, by the types of its arguments; None of one that is not."""
        schemas = self._searched if schema is None else (schema,)
        return self.volatility.called(schemas, name, kinds, self.operators)

    def function_name(self, function: Function, kinds: Sequence[str | None]) -> str:
        """Return a function as DDL must name it, which runs under the search path of the capturing session."""
        means = self._session.function(None, function.name, kinds)
        return ident(function.name) if means == function else ident(function.schema, function.name)

    def cast(self, kind: str, target: str) -> str | None:
        """Return the name of a type as a cast to it may stand in an index; None where that is not immutable."""
        name = self.operators.type_named(target)
        if not self.volatility.casts(self.operators.base(kind), name):
            return None
        return "bpchar" if target.lower() == "bpchar" else name  # `character` is of one character

    def attribute(self, kind: str, name: str) -> str | None:
        """Return the type of an attribute of a composite type."""
        made = self._type(self.underlying(kind))
        return dict(made.attributes).get(name) if made is not None else None

    def collation_of_attribute(self, kind: str, name: str) -> str | None:
        """Return the collation of an attribute where it is not the default one."""
        made = self._type(self.underlying(kind))
        own = dict(made.options).get(name) if made is not None else None
        return own or self._collation_of_type(self.attribute(kind, name) or "")

    def collation(self, schema: str | None, name: str) -> str:
        """Return the collation that a name means, with its schema."""
        schemas = self._searched if schema is None else (schema,)
        return ident(next((each for each in schemas if (each, name) in self._collations), schema or "pg_catalog"), name)

    def sortable(self, relation: Relation, name: str) -> bool:
        """Say whether a column can be a btree key without entries that may be too long."""
        column = relation.column(name)
        if column is None or not self.operators.is_sortable(column.type):
            return False
        if self.operators.is_open_ended(column.type):
            return self.statistics(relation, name) is not None and self.width(relation, name) <= WIDE_OPEN_BYTES
        return self.width(relation, name) <= WIDE_BYTES

    def fits(self, relation: Relation, columns: tuple[str, ...]) -> bool:
        """Say whether a btree entry of these columns stays below the limit with much to spare."""
        return sum(self.width(relation, column) for column in columns) * 4 < MOST_BTREE_BYTES

    def opclass(self, operator_class: OperatorClass) -> str:
        """Return an operator class as DDL must name it."""
        is_in_path = operator_class.schema in (*self.search_path, "pg_catalog")
        names = (operator_class.name,) if is_in_path else (operator_class.schema, operator_class.name)
        return str(ident(*names))

    def reads_clock(self, kind: str) -> bool:
        """Say whether input texts of a type may depend on the time: of dates and times, and what is made of them."""
        base = self.operators.base(self.underlying(kind))
        while base.endswith("[]"):
            base = self.operators.base(self.underlying(base.removesuffix("[]")))
        known = self.operators.types.get(base)
        return known.category in _OF_TIME if known is not None else base.startswith(("date", "time"))

    def is_column_type(self, kind: str) -> bool:
        """Say whether columns can be of a type that a function returns; a pseudo-type such as record they cannot."""
        return kind.startswith("any") or self.operators.base(kind).removesuffix("[]") in self.operators.types

    def is_composite(self, kind: str) -> bool:
        """Say whether values of a type have attributes."""
        base = self.underlying(kind)
        known, made = self.operators.types.get(self.operators.base(base)), self._type(base)
        return (known is not None and known.kind == "c") or (made is not None and made.kind == "c")

    def is_c_collation(self, column: Column) -> bool:
        """Say whether a column sorts by bytes, so that a prefix is a range."""
        return self.sorts_by_bytes(self.collation_of(column))

    def collation_of(self, column: Column) -> str | None:
        """Return the collation of a column; None is that of the database."""
        return column.collation or self._collation_of_type(column.type)

    def sorts_by_bytes(self, collation: str | None) -> bool:
        """Say whether a collation compares byte by byte; None is that of the database."""
        if not is_default(collation):
            return is_bytewise(collation)
        server = self.snapshot.server
        return is_bytewise_locale(server.locale_provider, server.collate)

    def visibility(self, relation: Relation) -> tuple[int, int]:
        """Return the pages of a table as of the last VACUUM or ANALYZE, with its partitions, and those all-visible."""
        leaves = list(self._leaves(relation))
        return sum(max(each.pages, 0) for each in leaves), sum(each.all_visible_pages for each in leaves)

    def _collation_of_type(self, kind: str) -> str | None:
        """Return the collation that a domain gives to its columns."""
        for made in self._domains(kind):
            if (collation := dict(made.options).get("collation")) is not None:
                return collation
        return None

    def fraction(self, relation: Relation, column: str, sql: str) -> float | None:
        """Return the share of rows that a condition on one column keeps, where the statistics say."""
        statistics = self.statistics(relation, column)
        if statistics is None:
            return None
        if sql.endswith("IS NULL"):
            return statistics.null_fraction
        if sql.endswith("IS NOT NULL"):
            return 1 - statistics.null_fraction
        shares = _common_shares(statistics)
        if sql == ident(column) or sql.endswith("IS TRUE"):
            return shares.get("t")
        if sql == f"NOT {ident(column)}" or sql.endswith("IS FALSE"):
            return shares.get("f")
        compared = re.fullmatch(r"(=|<>|IN) \(?(.*?)\)?", sql.removeprefix(f"{ident(column)} "), re.DOTALL)
        return None if compared is None else self._share_of(statistics, compared[1], compared[2])

    def _share_of(self, statistics: ColumnStatistics, operator: str, values: str) -> float | None:
        """Return the share of rows with one of some constants, or without one; a rare value counts as any other."""
        shares = _common_shares(statistics)
        constants = [quoted.replace("''", "'") or bare for quoted, bare in _CONSTANT.findall(values)]
        if not shares or not constants:
            return None
        rest = max(0.0, 1 - statistics.null_fraction - sum(shares.values()))
        others = statistics.distinct - len(shares) if statistics.distinct > 0 else 0
        equal = sum(shares.get(each, rest / others if others >= 1 else rest) for each in constants)
        return max(0.0, 1 - statistics.null_fraction - equal) if operator == "<>" else min(equal, 1.0)


def _common_shares(statistics: ColumnStatistics) -> dict[str, float]:
    """Return the most common values, as text, each with its share of the rows."""
    values = parse_array(statistics.most_common_values) if statistics.most_common_values else ()
    return dict(zip(values, statistics.most_common_frequencies or (), strict=False))
