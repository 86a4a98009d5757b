"""The schema of the advisor's scale benchmark: areas of tables that refer to each other, indexed as such tables are."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Tables of an area, of which one is partitioned in every few areas.
TABLES = 10
_PARTITIONED_AREAS, _PARTITIONS = 6, 6
_WORDS = ("account", "order_", "item", "event", "message", "invoice", "product", "session", "note", "audit")
#: Name and type of a column, and its value in row `i` of `n`; the last ones are the wide ones.
_COLUMNS = (
    ("status", "text", "(ARRAY['new', 'open', 'paid', 'sent', 'closed'])[1 + i % 5]"),
    ("kind", "smallint", "i * 7919 % 12"),
    ("owner_id", "bigint", "i * 31 % (n / 4 + 1)"),
    ("code", "varchar(20)", "'c' || i * 7"),
    ("email", "text", "'user' || i * 17 % n || '@example.org'"),
    ("amount", "numeric(12, 2)", "i * 37 % 9973 / 4.0"),
    ("due", "date", "date '2025-01-01' + (i * 13 % 700)::integer"),
    ("changed_at", "timestamptz", "timestamptz '2025-01-01' + i * 41 % n * interval '1 hour'"),
    ("active", "boolean", "i % 9 <> 0"),
    ("region", "integer", "i * 11 % 80"),
    ("rating", "double precision", "i * 3 % 101 / 20.0"),
    ("external_id", "uuid", "md5(i::text)::uuid"),
    ("batch", "integer", "i * 29 % (n / 20 + 1)"),
    ("title", "text", "'title ' || i * 5 % (n / 2 + 1)"),
    ("body", "text", "repeat(md5(i::text), 4)"),
    ("doc", "jsonb", "jsonb_build_object('k', i % 30, 'v', i)"),
    ("address", "text", "'street ' || i % 400"),
    ("note", "text", "CASE WHEN i % 3 = 0 THEN md5(i::text) END"),
    ("width", "real", "i % 77"),
    ("flags", "integer", "i % 256"),
)
#: Of these columns statements ask for single values.
KEYS = ("status", "kind", "owner_id", "code", "email", "region", "external_id", "batch", "title", "due")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `id` and `created_at` are its first columns."""

    name: str
    columns: tuple[tuple[str, str, str], ...]
    #: Names of tables, each referred to by the column `<table>_id`.
    references: tuple[str, ...]
    #: Rows that its statistics say it has.
    rows: int
    partitions: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that statements ask for single values of, foreign keys first."""
        own = {name for name, _, _ in self.columns}
        return (*(f"{each}_id" for each in self.references), *(each for each in KEYS if each in own))


def tables(number: int) -> tuple[Table, ...]:
    """Return so many tables, the same ones in every run."""
    chance = random.Random(1)
    found: list[Table] = []
    for place in range(number):
        area, word = divmod(place, TABLES)
        above = found[area * TABLES : place]
        references = chance.sample(above, min(len(above), chance.choice((0, 1, 1, 2, 2, 3))))
        count = chance.randint(8, len(_COLUMNS))
        kept = {*chance.sample(range(len(_COLUMNS)), count)}
        found.append(
            Table(
                name=f"{_WORDS[word]}_{area:02}",
                columns=tuple(each for at, each in enumerate(_COLUMNS) if at in kept or at in (0, 2)),
                references=tuple(each.name for each in references if not each.partitions),
                rows=int(10 ** chance.uniform(3.3, 7.3)),
                partitions=_PARTITIONS if word == 3 and area % _PARTITIONED_AREAS == 0 else 0,
            )
        )
    return tuple(found)


def ddl(found: Sequence[Table], indexes: int) -> Iterator[str]:
    """Yield the statements that create tables, and indexes until there are so many with those of keys and parts."""
    for table in found:
        columns = [
            "id bigint NOT NULL",
            "created_at timestamptz NOT NULL",
            *(f"{each}_id bigint REFERENCES {each}" for each in table.references),
            *(f"{name} {kind}" for name, kind, _ in table.columns),
            f"PRIMARY KEY ({'id, created_at' if table.partitions else 'id'})",
        ]
        by = " PARTITION BY RANGE (created_at)" if table.partitions else ""
        yield f"CREATE TABLE {table.name} ({', '.join(columns)}){by}"
        for part in range(table.partitions):
            begins, ends = (f"'2025-{1 + 2 * part + months:02}-01'" for months in (0, 2))
            ends = "MAXVALUE" if part == table.partitions - 1 else ends
            begins = "MINVALUE" if part == 0 else begins
            yield f"CREATE TABLE {table.name}_{part} PARTITION OF {table.name} FOR VALUES FROM ({begins}) TO ({ends})"
    built = sum(1 + table.partitions for table in found)
    chance, taken = random.Random(2), set[tuple[str, tuple[str, ...]]]()
    while built < indexes:
        table = found[chance.randrange(len(found))]
        if table.partitions and chance.random() < 0.7:
            continue
        names = [*table.keys, "created_at", "changed_at", "amount", "rating", "active"]
        own = {"created_at", *table.keys, *(name for name, _, _ in table.columns)}
        keys = tuple(chance.sample([each for each in names if each in own], chance.choice((1, 1, 1, 2, 2, 3))))
        if (table.name, keys) not in taken:
            taken.add((table.name, keys))
            built += 1 + table.partitions
            where = " WHERE active" if "active" in own and "active" not in keys and chance.random() < 0.1 else ""
            yield f"CREATE INDEX ON {table.name} ({', '.join(keys)}){where}"


def filling(table: Table, rows: int) -> str:
    """Return the statement that fills a table with a few rows, which are like all the rows that it stands for."""
    values = [
        "i",
        "timestamptz '2025-01-01' + i * interval '1 hour' * 8760 / n",
        *("1 + i * 97 % n" for _ in table.references),
        *(value for _, _, value in table.columns),
    ]
    drawn = f"generate_series(1, {rows}) AS i, (SELECT {rows}) AS of (n)"
    return f"INSERT INTO {table.name} SELECT {', '.join(values)} FROM {drawn}"
