"""A grammar of statements over the tables of a schema, and the many ways to write one of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.sql import ident
from tests.server.random_schemas import SCALARS, TYPES, Column, Table


@dataclass(slots=True)
class Style:
    """How a statement is written: aliases, letter case, comments, the orders of the SELECT list and of AND."""

    chance: random.Random
    #: Several statements of one structure and different styles ask the same.
    aliases: int = 0

    def alias(self) -> str:
        self.aliases += 1
        names = (
            f"t{self.aliases}",
            f"A {self.aliases}",
            f'q"{self.aliases}',
            f"select_{self.aliases}",
            f"ä{self.aliases}",
        )
        return self.chance.choice(names)

    def name(self, name: str) -> str:
        """Write a name, with quotes where they are needed and in some places where they are not."""
        quoted = ident(name)
        if quoted.startswith('"'):
            return quoted
        return self.chance.choice((quoted, quoted.upper(), f'"{name}"'))

    def as_(self, alias: str) -> str:
        return f"{self.chance.choice((' AS ', ' as '))}{self.name(alias)}"

    def words(self, text: str) -> str:
        """Write keywords, with something between them that is of no consequence."""
        gap = self.chance.choice((" ", "\n", "  ", " /* a 'comment */ ", " -- it's\n"))
        return self.chance.choice((text, text.lower())).replace(" ", gap)


@dataclass(frozen=True, slots=True)
class Source:
    """What a FROM clause names, by its alias."""

    alias: str
    columns: tuple[Column, ...]


@dataclass(slots=True)
class Statements:
    """Make statements; the same structure and tables give the same statement in every style."""

    tables: Sequence[Table]
    structure: random.Random
    style: Style
    #: With parameters, as pg_stat_statements has them; else with constants.
    parameters: bool = True
    _number: int = field(default=0, init=False)
    _with: list[Source] = field(default_factory=list[Source], init=False)

    def statement(self) -> str:
        """Make one statement."""
        kind = self.structure.random()
        if kind < 0.6:
            return self._select_statement()
        makers = (self._insert, self._update, self._delete, self._merge)
        return self.structure.choice(makers)()

    # Expressions

    def _constant(self, kind: str) -> str:
        if not self.parameters:
            return TYPES[kind]
        self._number += 1
        return f"${self._number}"

    def _column(self, source: Source, column: Column) -> str:
        return f"{self.style.name(source.alias)}.{self.style.name(column.name)}"

    def _any(self, sources: Sequence[Source], kinds: Sequence[str] = tuple(TYPES)) -> tuple[str, str] | None:
        found = [(source, column) for source in sources for column in source.columns if column.type in kinds]
        if not found:
            return None
        source, column = self.structure.choice(found)
        return self._column(source, column), column.type

    def _condition(self, sources: Sequence[Source], depth: int = 0) -> str:
        chance, words = self.structure, self.style.words
        if depth < 2 and chance.random() < 0.35:
            parts = [self._condition(sources, depth + 1) for _ in range(chance.randint(2, 3))]
            operator = chance.choice((" AND ", " OR "))
            if operator == " AND ":
                self.style.chance.shuffle(parts)
            return f"({words(operator).join(parts)})"
        if depth < 2 and chance.random() < 0.1:
            return f"{words('NOT')} ({self._condition(sources, depth + 1)})"
        if depth < 2 and chance.random() < 0.2 and (nested := self._nested(sources)) is not None:
            return nested
        return self._comparison(sources)

    def _comparison(self, sources: Sequence[Source]) -> str:
        chance, words = self.structure, self.style.words
        source = chance.choice(list(sources))
        picked = chance.choice(source.columns)
        column, kind = self._column(source, picked), picked.type
        if len(sources) == 1 and self.style.chance.random() < 0.5:  # no other source has one of its name
            column = self.style.name(picked.name)
        special = {
            "jsonb": (f"{column} @> {TYPES[kind]}", f"{column} ->> 'k' = {TYPES['text']}"),
            "integer[]": (f"{column} && {TYPES[kind]}", f"5 = {words('ANY')} ({column})"),
            "text[]": (f"{column} @> {TYPES[kind]}",),
            "int4range": (f"{column} && {TYPES[kind]}",),
            "tsvector": (f"{column} @@ {words('plainto_tsquery')}('simple', 'word')",),
            "text": (f"lower({column}) = {self._constant('text')}", f"{column} {words('LIKE')} 'a%'"),
        }
        if kind in special and (kind not in SCALARS or chance.random() < 0.4):
            return chance.choice(special[kind])
        if kind == "boolean":
            return chance.choice((column, f"{column} {words('IS NOT TRUE')}"))
        match chance.randrange(5):
            case 0:
                elements = ", ".join(self._constant(kind) for _ in range(chance.randint(1, 4)))
                return f"{column} {words('IN')} ({elements})"
            case 1:
                return self._between(column, self._constant(kind), self._constant(kind))
            case 2 if (other := self._any(sources, (kind,))) is not None:
                return f"{column} {chance.choice(('<', '>=', '<>'))} {other[0]}"
            case _:
                return f"{column} {chance.choice(('=', '<', '>', '<>'))} {self._constant(kind)}"

    def _between(self, column: str, low: str, high: str) -> str:
        conjunction = self.style.words("AND")
        if self.style.chance.random() < 0.5:
            return f"({column} <= {high} {conjunction} {column} >= {low})"
        return f"{column} {self.style.words('BETWEEN')} {low} {conjunction} {high}"

    def _nested(self, sources: Sequence[Source]) -> str | None:
        """Make a subquery, correlated or not."""
        words = self.style.words
        table, source = self._table()
        outer = self._any(sources, ("integer",))
        inner = self._any([source], ("integer",))
        if outer is None or inner is None:
            return None
        if self.structure.random() < 0.5:
            where = f"{inner[0]} = {outer[0]} {words('AND')} {self._condition([source], 2)}"
            return f"{words('EXISTS')} ({words('SELECT')} 1 {words('FROM')} {table} {words('WHERE')} {where})"
        where = self._condition([source, *sources] if self.structure.random() < 0.5 else [source], 2)
        query = f"{words('SELECT')} {inner[0]} {words('FROM')} {table} {words('WHERE')} {where}"
        return f"{outer[0]} {words('IN')} ({query})"

    # Sources

    def _table(self) -> tuple[str, Source]:
        table = self.structure.choice(list(self.tables))
        alias = self.style.alias()
        return self._named(table) + self.style.as_(alias), Source(alias, table.columns)

    def _named(self, table: Table) -> str:
        return f"{self.style.name(table.schema)}.{self.style.name(table.name)}"

    def _source(self, depth: int = 0) -> tuple[str, Source]:
        chance, words = self.structure, self.style.words
        if self._with and chance.random() < 0.5:
            query = self._with[chance.randrange(len(self._with))]
            alias = self.style.alias()
            return self.style.name(query.alias) + self.style.as_(alias), Source(alias, query.columns)
        if depth or chance.random() < 0.75:
            return self._table()
        text, inner = self._table()
        alias = self.style.alias()
        columns = (
            tuple(
                Column(name=self.style.alias(), type=each.type)
                for each in chance.sample(inner.columns, chance.randint(2, len(inner.columns)))
            )
            or inner.columns
        )
        outputs: list[str] = []
        named: list[Column] = []
        for each in columns:
            options = [column for column in inner.columns if column.type == each.type]
            outputs.append(self._column(inner, chance.choice(options)) + self.style.as_(each.name))
            named.append(each)
        where = f" {words('WHERE')} {self._condition([inner], 1)}" if chance.random() < 0.5 else ""
        query = f"({words('SELECT')} {', '.join(outputs)} {words('FROM')} {text}{where})"
        return query + self.style.as_(alias), Source(alias, tuple(named))

    def _from(self) -> tuple[str, list[Source]]:
        chance, words = self.structure, self.style.words
        text, first = self._source()
        sources = [first]
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            more, source = self._source(1)
            mine, theirs = self._any(sources, ("integer",)), self._any([source], ("integer",))
            if mine is None or theirs is None:
                text += f" {words('CROSS JOIN')} {more}"
            else:
                text += f" {words(chance.choice(('JOIN', 'LEFT JOIN', 'RIGHT JOIN')))} {more} "
                text += f"{words('ON')} {mine[0]} = {theirs[0]}"
            sources.append(source)
        return text, sources

    # Queries

    def _select_statement(self) -> str:
        chance, words = self.structure, self.style.words
        prefix = ""
        if chance.random() < 0.25:
            alias, name = self.style.alias(), self.style.alias()
            if chance.random() < 0.5:  # hides a table
                name = chance.choice(list(self.tables)).name
            table, source = self._table()
            columns = tuple(column for column in source.columns)
            outputs = ", ".join(self._column(source, column) for column in columns)
            how = words(chance.choice(("", "MATERIALIZED ", "NOT MATERIALIZED ")))
            where = f" {words('WHERE')} {self._condition([source], 1)}"
            query = f"{words('SELECT')} {outputs} {words('FROM')} {table}{where}"
            prefix = f"{words('WITH')} {self.style.name(name)} {words('AS')} {how}({query}) "
            self._with.append(Source(name, columns))
            text, inner = self._table()
            within = Source(alias, columns)
            joined = f"{self.style.name(name)}{self.style.as_(alias)}"
            return prefix + self._query(f"{joined} {words('CROSS JOIN')} {text}", [within, inner])
        if chance.random() < 0.15:
            return self._union()
        text, sources = self._from()
        return prefix + self._query(text, sources)

    def _union(self) -> str:
        words = self.style.words
        parts: list[str] = []
        for _ in range(2):
            table, source = self._table()
            column = self._any([source], ("integer",))
            assert column is not None
            where = f"{words('WHERE')} {self._condition([source], 1)}"
            parts.append(f"{words('SELECT')} {column[0]} {words('FROM')} {table} {where}")
        how = self.structure.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
        return f" {words(how)} ".join(parts) + f" {words('ORDER BY')} 1"

    def _query(self, text: str, sources: list[Source]) -> str:
        chance, words = self.structure, self.style.words
        # A column of every source is put out, so that the planner removes no join.
        columns = [(source, chance.choice(source.columns)) for source in sources]
        where = f" {words('WHERE')} {self._condition(sources)}" if chance.random() < 0.8 else ""
        grouped = all(column.type in SCALARS for _, column in columns) and chance.random() < 0.3
        names = [self._column(*each) for each in columns]
        outputs = list(names)
        if grouped:
            outputs.append(f"{words('count')}(*)")
        elif chance.random() < 0.15:
            ordered = ", ".join(names[:1])
            sortable = columns[0][1].type in SCALARS
            over = f"{words('ORDER BY')} {ordered}" if sortable else ""
            outputs.append(f"{words('row_number')}() {words('OVER')} ({over})")
        elif chance.random() < 0.15 and (scalar := self._scalar(sources)) is not None:
            outputs.append(scalar)
        tail = f" {words('GROUP BY')} {', '.join(names)}" if grouped else ""
        order = [place for place, (_, column) in enumerate(columns) if column.type in SCALARS]
        shown = self._shown(outputs)
        if order and chance.random() < 0.5:
            place = chance.choice(order)
            way = words(chance.choice(("", " DESC", " DESC NULLS LAST")))
            key = self.style.chance.choice((names[place], str(shown.index(outputs[place]) + 1)))
            tail += f" {words('ORDER BY')} {key}{way}"
            tail += f" {words('LIMIT')} 10" if chance.random() < 0.6 else ""
        listed = ", ".join(
            each + (self.style.as_(self.style.alias()) if chance.random() < 0.3 else "") for each in shown
        )
        return f"{words('SELECT')} {listed} {words('FROM')} {text}{where}{tail}"

    def _scalar(self, sources: Sequence[Source]) -> str | None:
        words = self.style.words
        table, source = self._table()
        outer, inner = self._any(sources, ("integer",)), self._any([source], ("integer",))
        if outer is None or inner is None:
            return None
        query = f"{words('SELECT')} {words('max')}({inner[0]}) {words('FROM')} {table}"
        return f"({query} {words('WHERE')} {inner[0]} = {outer[0]})"

    def _shown(self, outputs: Sequence[str]) -> list[str]:
        shown = list(dict.fromkeys(outputs))
        self.style.chance.shuffle(shown)
        return shown

    # Writes

    def _target(self) -> tuple[Table, Source]:
        table = self.structure.choice(list(self.tables))
        return table, Source(self.style.alias(), table.columns)

    def _returning(self, table: Table, alias: str) -> str:
        if self.structure.random() < 0.5:
            return ""
        column = self._column(Source(alias, table.columns), self.structure.choice(table.columns))
        return f" {self.style.words('RETURNING')} {column}"

    def _settable(self, table: Table) -> list[Column]:
        return self.structure.sample(table.columns[1:], min(2, len(table.columns) - 1))

    def _insert(self) -> str:
        chance, words = self.structure, self.style.words
        table, source = self._target()
        columns = [table.key, *self._settable(table)]
        listed = ", ".join(self.style.name(each.name) for each in columns)
        head = f"{words('INSERT INTO')} {self._named(table)}{self.style.as_(source.alias)} ({listed}) "
        if chance.random() < 0.6:
            body = f"{words('VALUES')} ({', '.join(self._constant(each.type) for each in columns)})"
        else:
            text, other = self._table()
            ids = self._any([other], ("integer",))
            assert ids is not None
            rest = ", ".join(f"{words('NULL')}::{each.type}" for each in columns[1:])
            body = f"{words('SELECT')} {ids[0]}{', ' if rest else ''}{rest} {words('FROM')} {text} "
            body += f"{words('WHERE')} {self._condition([other], 1)}"
        conflict = ""
        if chance.random() < 0.5:
            name = self.style.name(columns[-1].name)
            action = f"{words('DO UPDATE SET')} {name} = {words('excluded')}.{name}"
            conflict = f" {words('ON CONFLICT')} ({self.style.name(table.key.name)}) "
            conflict += chance.choice((words("DO NOTHING"), action))
        return head + body + conflict + self._returning(table, source.alias)

    def _update(self) -> str:
        chance, words = self.structure, self.style.words
        table, source = self._target()
        sets = ", ".join(
            f"{self.style.name(each.name)} = {self._constant(each.type)}" for each in self._settable(table)
        )
        text = f"{words('UPDATE')} {self._named(table)}{self.style.as_(source.alias)} {words('SET')} {sets}"
        sources = [source]
        if chance.random() < 0.4:
            more, other = self._table()
            text += f" {words('FROM')} {more}"
            sources.append(other)
        return f"{text} {words('WHERE')} {self._condition(sources)}{self._returning(table, source.alias)}"

    def _delete(self) -> str:
        chance, words = self.structure, self.style.words
        table, source = self._target()
        text = f"{words('DELETE FROM')} {self._named(table)}{self.style.as_(source.alias)}"
        sources = [source]
        if chance.random() < 0.4:
            more, other = self._table()
            text += f" {words('USING')} {more}"
            sources.append(other)
        return f"{text} {words('WHERE')} {self._condition(sources)}{self._returning(table, source.alias)}"

    def _merge(self) -> str:
        words = self.style.words
        table, source = self._target()
        text, other = self._source(1)
        mine, theirs = self._any([source], ("integer",)), self._any([other], ("integer",))
        if theirs is None or mine is None:
            return self._delete()
        column = self.structure.choice(table.columns[1:])
        name, key = self.style.name(column.name), self.style.name(table.key.name)
        actions = [
            f"{words('WHEN MATCHED THEN UPDATE SET')} {name} = {TYPES[column.type]}",
            f"{words('WHEN MATCHED THEN DELETE')}",
            f"{words('WHEN NOT MATCHED THEN INSERT')} ({key}) {words('VALUES')} ({theirs[0]})",
        ]
        how = " ".join(self.structure.sample(actions[:2], 1) + actions[2:])
        return (
            f"{words('MERGE INTO')} {self._named(table)}{self.style.as_(source.alias)} {words('USING')} {text} "
            f"{words('ON')} {mine[0]} = {theirs[0]} {how}"
        )
