"""The flat workload of the advisor's scale benchmark: statements of many tables, none of which takes much time."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from analyzer.documents.snapshot import StatementCounters
from benchmarks.advisor_schema import Table

#: Of the statements, those that only spell another one in another way.
_RESPELLED = 0.2
_MINUTE_MS = 60_000.0
#: Of a statement that finds its row by the primary key, and of one that reads a row of a table, at least.
_LEAST_MS, _ROW_MS = 0.05, 2e-5


def statements(found: Sequence[Table], number: int) -> tuple[StatementCounters, ...]:
    """Return so many statements as pg_stat_statements has them, the first of a longer workload of the same tables."""
    chance, texts = random.Random(3), dict[str, float]()
    by_name = {table.name: table for table in found}
    while len(texts) < number:
        table = chance.choice(found)
        text = _written(table, by_name, chance)
        is_short = text.startswith("INSERT") or " WHERE id = " in text
        texts[text] = _LEAST_MS + (0 if is_short else table.rows * _ROW_MS * 10 ** chance.uniform(0, 1))
        if " JOIN " not in text and text.startswith("SELECT ") and chance.random() < _RESPELLED:
            texts |= dict.fromkeys((_respelled(text, chance) for _ in range(chance.randint(1, 3))), texts[text])
    return tuple(_counted(text, texts[text], place) for place, text in enumerate(list(texts)[:number]))


def _counted(text: str, mean_ms: float, place: int) -> StatementCounters:
    share = random.Random(place).uniform(0.5, 1.5)
    calls = max(1, int(_MINUTE_MS * share / mean_ms))
    return StatementCounters(
        queryid=str(10_000_000 + place),
        query=text,
        calls=calls,
        total_ms=calls * mean_ms,
        mean_ms=mean_ms,
        stddev_ms=0.0,
        rows=calls,
        shared_blocks_hit=calls * 100,
        shared_blocks_read=calls,
        temp_blocks=0,
    )


def _respelled(text: str, chance: random.Random) -> str:
    """Write a statement with its columns in another order and under another alias, as another program does."""
    output, _, rest = text.removeprefix("SELECT ").partition(" FROM ")
    columns = output.split(", ")
    chance.shuffle(columns)
    return f"SELECT {', '.join(columns)} FROM {rest.replace(' WHERE ', f' AS r{chance.randrange(100)} WHERE ', 1)}"


def _written(table: Table, by_name: dict[str, Table], chance: random.Random) -> str:
    kinds: Sequence[Callable[[Table, dict[str, Table], random.Random], str]] = (
        *((_found,) * 4),
        *((_listed,) * 3),
        *((_joined,) * 4),
        *((_grouped,) * 2),
        _by_id,
        _in_list,
        _updated,
        _inserted,
        _deleted,
    )
    return chance.choice(kinds)(table, by_name, chance)


def _numbers() -> Iterator[str]:
    return (f"${number}" for number in count(1))


def _some(names: Sequence[str], chance: random.Random, most: int) -> list[str]:
    return chance.sample(names, min(len(names), chance.randint(1, most)))


def _output(table: Table, chance: random.Random, alias: str = "") -> str:
    names = ["id", "created_at", *table.keys, *(name for name, _, _ in table.columns)]
    return ", ".join(f"{alias}{each}" for each in _some(list(dict.fromkeys(names)), chance, 6))


def _conditions(table: Table, chance: random.Random, given: Iterator[str], alias: str = "", most: int = 3) -> str:
    fixed = [f"{alias}{each} = {next(given)}" for each in _some(table.keys, chance, most)]
    if chance.random() < 0.4:
        fixed.append(f"{alias}created_at >= {next(given)}")
    return " AND ".join(fixed)


def _found(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    return f"SELECT {_output(table, chance)} FROM {table.name} WHERE {_conditions(table, chance, _numbers())}"


def _listed(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    given = _numbers()
    where = _conditions(table, chance, given, most=2)
    order = chance.choice(("created_at DESC", "id", "created_at, id"))
    return f"SELECT {_output(table, chance)} FROM {table.name} WHERE {where} ORDER BY {order} LIMIT {next(given)}"


def _joined(table: Table, by_name: dict[str, Table], chance: random.Random) -> str:
    if not table.references:
        return _found(table, by_name, chance)
    given, joined = _numbers(), list[str]()
    above = chance.sample(table.references, min(len(table.references), chance.choice((1, 1, 2))))
    joined = [f"JOIN {name} p{place} ON p{place}.id = c.{name}_id" for place, name in enumerate(above)]
    where = _conditions(by_name[above[0]], chance, given, "p0.", most=2)
    if chance.random() < 0.5:
        where += f" AND {_conditions(table, chance, given, 'c.', most=1)}"
    return f"SELECT {_output(table, chance, 'c.')} FROM {table.name} c {' '.join(joined)} WHERE {where}"


def _grouped(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    by, given = chance.choice(table.keys), _numbers()
    where = f"created_at BETWEEN {next(given)} AND {next(given)} AND {_conditions(table, chance, given, most=1)}"
    return f"SELECT {by}, count(*), max(created_at) FROM {table.name} WHERE {where} GROUP BY {by}"


def _by_id(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    return f"SELECT {_output(table, chance)} FROM {table.name} WHERE id = $1"


def _in_list(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    values = ", ".join(f"${number}" for number in range(1, chance.randint(2, 8)))
    return f"SELECT {_output(table, chance)} FROM {table.name} WHERE {chance.choice(table.keys)} IN ({values})"


def _updated(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    names = [name for name, _, _ in table.columns]
    given = _numbers()
    changes = ", ".join(f"{each} = {next(given)}" for each in _some(names, chance, 3))
    where = f"id = {next(given)}" if chance.random() < 0.6 else f"{chance.choice(table.keys)} = {next(given)}"
    return f"UPDATE {table.name} SET {changes} WHERE {where}"


def _inserted(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    names = ["id", "created_at", *(f"{each}_id" for each in table.references), *(name for name, _, _ in table.columns)]
    kept = names[: chance.randint(3, len(names))]
    return f"INSERT INTO {table.name} ({', '.join(kept)}) VALUES ({', '.join(f'${n + 1}' for n in range(len(kept)))})"


def _deleted(table: Table, _: dict[str, Table], chance: random.Random) -> str:
    return f"DELETE FROM {table.name} WHERE {_conditions(table, chance, _numbers(), most=2)}"
