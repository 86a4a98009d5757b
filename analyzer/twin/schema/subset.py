"""Find what of a snapshot some statements need, so that a twin need not hold the rest.

Names in their text lead to tables, views and functions, and the texts of those to others, as does what the server knows
to depend on what. A name that is read too much costs a table that is never planned; one that is read too little is an
error, or a different plan. So every word counts, in strings and function bodies as well, and a function does whatever
its schema.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Constraint, FunctionDef, Relation, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.schema.creations import NEXTVAL
from analyzer.twin.schema.named import Mention, mentions
from analyzer.twin.schema.order import reached, referenced_by

#: Statements that look for rows that refer to theirs.
_CHECKED = frozenset({"delete", "update", "merge", "truncate"})


def for_definitions(snapshot: Snapshot) -> Snapshot:
    """Return what of a snapshot definitions are built on: no indexes, foreign keys or policies."""
    kept = tuple(_without_foreign_keys(each) for each in snapshot.relations)
    update = {"relations": kept, "indexes": (), "extended_statistics": (), "row_security": (), "tablespaces": ()}
    return snapshot.model_copy(update=update)


def _without_foreign_keys(relation: Relation) -> Relation:
    kept = tuple(each for each in relation.constraints if each.kind != "f")
    return relation if len(kept) == len(relation.constraints) else relation.model_copy(update={"constraints": kept})


class Reach:
    """What some statements need of a snapshot; it only grows."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._names = _Names(snapshot)
        #: What was asked for so far.
        self.statements: set[str] = set()
        self._words: set[str] = set()
        self._tables: set[QualifiedName] = set()
        self._functions: set[int] = set()
        self._followed: set[str] = set()
        for made in snapshot.types:
            # All of them are built: they are few, and an operator or a function can need one that no text names.
            self._follow([made.base_type or "", made.default or "", *(text for _, text in made.checks)])
            self._follow([kind for _, kind in made.attributes])
        for item in snapshot.objects:
            if item.table is None:
                self._follow(item.definition)
        everywhere = (*snapshot.types, *(each for each in snapshot.objects if each.table is None))
        self._enter_referenced(each.oid for each in everywhere)

    def grow(self, statements: Iterable[str]) -> bool:
        """Add what statements need; return whether that is more than before."""
        before = len(self._tables), len(self._functions)
        for text in statements:
            if text not in self.statements:
                self.statements.add(text)
                named = frozenset(mentions(text))
                tables, further = self._enter(named, anywhere=False)
                self._follow(further)
                if not _CHECKED.isdisjoint(mention.name for mention in named):
                    self._refer(tables)
        return (len(self._tables), len(self._functions)) != before

    def _refer(self, tables: Iterable[QualifiedName]) -> None:
        """Add the tables whose foreign keys lead to these, and to those: a cascade goes on from one to the next."""
        pending = list(tables)
        seen = set(pending)
        while pending:
            for relation, _ in self._names.catalog.referencing(*pending.pop()):
                if (table := relation.full_name) not in seen:
                    seen.add(table)
                    pending.append(table)
        self._follow(list(self._enter_tables(seen)))

    def _follow(self, texts: Iterable[str]) -> None:
        """Add what texts mention and all that leads to."""
        pending = list(texts)
        for text in pending:  # which grows during the loop
            if text in self._followed:
                continue
            self._followed.add(text)
            _, further = self._enter(frozenset(mentions(text)), anywhere="search_path" in text)
            pending += further

    def _enter(self, named: frozenset[Mention], *, anywhere: bool) -> tuple[set[QualifiedName], list[str]]:
        """Add what is mentioned; return the tables among it, and the texts of what was not there before."""
        tables, further = set[QualifiedName](), list[str]()
        for mention in named:
            self._words.add(mention.name)
            further += self._enter_functions(mention.name)
            tables |= self._names.tables(mention, anywhere=anywhere)
        further += self._enter_tables(tables)
        return tables, further

    def _enter_referenced(self, objects: Iterable[int]) -> None:
        """Add the functions and tables that objects depend on, which their texts need not name."""
        oids = frozenset(reached(objects, self._names.edges))
        functions = [each.name for each in self._snapshot.functions if each.oid in oids]
        tables = [each.full_name for each in self._snapshot.relations if each.oid in oids]
        texts = itertools.chain.from_iterable(map(self._enter_functions, functions))
        self._follow([*texts, *self._enter_tables(tables)])

    def _enter_functions(self, name: str) -> Iterator[str]:
        for position in self._names.functions.get(name, ()):
            if position not in self._functions:
                self._functions.add(position)
                yield self._snapshot.functions[position].definition

    def _enter_tables(self, tables: Iterable[QualifiedName]) -> Iterator[str]:
        pending = list(tables)
        while pending:
            table = pending.pop()
            if table not in self._tables:
                self._tables.add(table)
                pending += self._names.relatives.get(table, ())
                yield from self._names.texts(table)

    def narrowed(self) -> Snapshot:
        """Return the snapshot without what is out of reach."""
        whole, tables = self._snapshot, self._tables
        indexes = tuple(each for each in whole.indexes if each.definition.full_table in tables)
        holders = tables | {(each.definition.schema, each.definition.name) for each in indexes}
        functions = tuple(each for at, each in enumerate(whole.functions) if at in self._functions)
        spaces = tuple(
            each.model_copy(update={"relations": tuple(name for name in each.relations if name in holders)})
            for each in whole.tablespaces
        )
        return whole.model_copy(
            update={
                "schemas": self._schemas(functions),
                "functions": functions,
                "objects": tuple(each for each in whole.objects if each.table is None or each.table in tables),
                "relations": tuple(self._kept(each) for each in whole.relations if each.full_name in tables),
                "indexes": indexes,
                "statistics": tuple(row for row in whole.statistics if (row.schema_name, row.relation) in holders),
                "extended_statistics": tuple(
                    each for each in whole.extended_statistics if (each.table_schema, each.table) in tables
                ),
                "extremes": tuple(each for each in whole.extremes if (each.schema_name, each.table) in tables),
                "row_security": tuple(each for each in whole.row_security if (each.schema_name, each.table) in tables),
                "tablespaces": spaces,
                "samples": tuple(each for each in whole.samples if (each.schema_name, each.table) in tables),
            }
        )

    def _schemas(self, functions: Iterable[FunctionDef]) -> tuple[str, ...]:
        whole = self._snapshot
        needed = self._words | {schema for schema, _ in self._tables}
        needed |= {each.schema_name for each in (*whole.types, *whole.extensions, *whole.objects, *functions)}
        needed |= {each.schema_name for each in whole.extended_statistics}
        return tuple(schema for schema in whole.schemas if schema in needed)

    def _kept(self, relation: Relation) -> Relation:
        """Leave out foreign keys to missing tables; the planner uses foreign keys only within one statement."""
        kept = tuple(each for each in relation.constraints if self._is_whole(each))
        return relation if len(kept) == len(relation.constraints) else relation.model_copy(update={"constraints": kept})

    def _is_whole(self, constraint: Constraint) -> bool:
        referenced = (constraint.referenced_schema or "", constraint.referenced_table or "")
        return constraint.kind != "f" or referenced in self._tables


class _Names:
    """A snapshot's objects by name, and what each leads to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.catalog = Catalog(snapshot)
        self.edges = referenced_by(snapshot.dependencies)
        self._path = (*self.catalog.search_path, "pg_catalog")
        #: By bare name: of a table, of its indexes, of the sequences it draws from.
        self._tables: dict[str, set[QualifiedName]] = defaultdict(set)
        self.functions: dict[str, list[int]] = defaultdict(list)
        #: Parents and children, by partitioning or inheritance.
        self.relatives: dict[QualifiedName, list[QualifiedName]] = defaultdict(list)
        self._more_texts: dict[QualifiedName, list[str]] = defaultdict(list)
        for at, function in enumerate(snapshot.functions):
            self.functions[function.name].append(at)
        for relation in snapshot.relations:
            self._enter(relation)
        for index in snapshot.indexes:
            table = index.definition.full_table
            self._tables[index.definition.name].add(table)
            keys = [key.expression for key in index.definition.keys if key.expression is not None]
            self._more_texts[table] += (*keys, index.definition.where or "")
        for item in snapshot.objects:
            if item.table is not None:
                self._more_texts[QualifiedName(*item.table)] += item.definition
        for statistics in snapshot.extended_statistics:
            self._more_texts[QualifiedName(statistics.table_schema, statistics.table)] += statistics.expressions
        for security in snapshot.row_security:
            for policy in security.policies:
                self._more_texts[QualifiedName(security.schema_name, security.table)] += (
                    policy.using or "",
                    policy.check or "",
                )

    def _enter(self, relation: Relation) -> None:
        table = relation.full_name
        self._tables[relation.name].add(table)
        for column in relation.columns:
            for match in NEXTVAL.finditer(column.default or ""):
                for mention in mentions(match[1]):
                    self._tables[mention.name].add(table)
        for parent in itertools.starmap(QualifiedName, relation.parents):
            self.relatives[table].append(parent)
            self.relatives[parent].append(table)

    def tables(self, mention: Mention, *, anywhere: bool) -> set[QualifiedName]:
        """Return the tables a mention can mean: of its schema, else of the search path, else `anywhere`."""
        found = self._tables.get(mention.name, set[QualifiedName]())
        if mention.qualifier is None:
            return {table for table in found if anywhere or table[0] in self._path}
        return {table for table in found if table[0] == mention.qualifier}  # none for a column

    def texts(self, table: QualifiedName) -> list[str]:
        """Return the texts that a table's plans are made with."""
        relation = self._snapshot.relation(*table)
        if relation is None:
            return []
        texts = [relation.definition or "", relation.partition_key or "", relation.partition_bound or ""]
        texts += [text for column in relation.columns for text in (column.type, column.default or "")]
        texts += [each.definition for each in relation.constraints if each.kind != "f"]
        return texts + self._more_texts.get(table, [])
