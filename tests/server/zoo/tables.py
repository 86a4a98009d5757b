"""Tables of every kind, with every kind of constraint and index, and the rows in them."""

from tests.server.zoo.growth import Column, Growth, Table, constant, value_of
from tests.server.zoo.inventory import OperatorClass

_ROWS = (0, 1, 40, 700, 2500)
_TIMING = ("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED", " NOT DEFERRABLE")
#: Bound of the only partition by hash.
_WHOLE = "FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def _column(growth: Growth) -> tuple[Column, str]:
    """Choose a column; return it and how CREATE TABLE says it."""
    kind, name = growth.any_type(), growth.fresh("column")
    text = growth.pick(kind.texts)
    value = value_of(kind, text)
    how = growth.number(0, 11)
    if how == 0:
        sentence = f"{name} bigint GENERATED {growth.pick(('ALWAYS', 'BY DEFAULT'))} AS IDENTITY"
        return Column(name=name, type=growth.inventory.type("bigint"), value=None), sentence
    if how == 1:
        kept = growth.pick(("STORED", "VIRTUAL")) if growth.major >= 18 else "STORED"
        sentence = f"{name} {kind.name} GENERATED ALWAYS AS ({constant(kind)}) {kept}"
        return Column(name=name, type=kind, value=None), sentence
    if how == 2:
        return Column(name=name, type=growth.inventory.type("integer"), value=None), f"{name} serial"
    collation = f" COLLATE {growth.pick(growth.known('collation'))}" if kind.collatable else ""
    method = "" if not kind.is_variable else f" COMPRESSION {growth.pick(('pglz', 'default'))}"
    sentence = (
        f"{name} {kind.name}{growth.maybe(method)}{growth.maybe(collation)}"
        f"{growth.maybe(f' DEFAULT {constant(kind)}')}{growth.maybe(' NOT NULL')}"
    )
    if growth.pick((False, False, True)):
        value = f"CASE WHEN i % 9 > 1 THEN {value} END" if "NOT NULL" not in sentence else value
    return Column(name=name, type=kind, value=value), sentence


def _parameters(growth: Growth) -> str:
    found = growth.some(
        (
            "fillfactor = 70", "autovacuum_enabled = off", "parallel_workers = 3", "toast.autovacuum_enabled = off",
            "toast_tuple_target = 256", "autovacuum_vacuum_scale_factor = 0.02", "user_catalog_table = true",
        )
    )  # fmt: skip
    return growth.maybe(f" WITH ({', '.join(found)})")


def table(growth: Growth) -> None:
    """Make a table, perhaps like another one or below it, and change its columns."""
    made = [_column(growth) for _ in range(growth.number(1, 6))]
    columns, schema, bare = tuple(column for column, _ in made), growth.schema(), growth.fresh("table")
    parts = [sentence for _, sentence in made]
    plain = [each for each in growth.tables if each.is_plain]
    parents = ""
    if plain and growth.pick((False, False, True)):
        parent = growth.pick(plain)
        if growth.pick((False, True)):
            parts.append(f"LIKE {parent.name} INCLUDING ALL")
        else:
            parents = f" INHERITS ({parent.name})"
        columns += parent.columns
    found = Table(schema=schema, bare=bare, columns=columns, rows=growth.pick(_ROWS))
    growth.add(
        f"CREATE {growth.maybe('UNLOGGED ')}TABLE {found.name} ({', '.join(parts)}){parents}{_parameters(growth)}"
    )
    growth.tables.append(found)
    _change_columns(growth, found)
    _fill(growth, found)
    for _ in range(growth.number(0, 3)):
        constraint(growth, found)
    for _ in range(growth.number(0, 3)):
        index(growth, found)


def _change_columns(growth: Growth, found: Table) -> None:
    column = growth.pick(found.columns)
    changes = [f"ALTER COLUMN {column.name} SET STATISTICS {growth.pick((0, 7, 400))}",
               f"ALTER COLUMN {column.name} SET (n_distinct = {growth.pick((-0.5, 12))})",
               "ADD COLUMN zoo_late integer DEFAULT 7", "REPLICA IDENTITY FULL"]  # fmt: skip
    if column.type.is_variable:
        changes.append(
            f"ALTER COLUMN {column.name} SET STORAGE {growth.pick(('PLAIN', 'MAIN', 'EXTERNAL', 'EXTENDED'))}"
        )
    for change in growth.some(changes, least=0):
        growth.add(f"ALTER TABLE {found.name} {change}")
    if growth.pick((False, False, True)):
        growth.add(f"ALTER TABLE {found.name} ADD COLUMN zoo_gone text")
        growth.add(f"ALTER TABLE {found.name} DROP COLUMN zoo_gone")


def _fill(growth: Growth, found: Table) -> None:
    given = [column for column in found.columns if column.value is not None]
    names, values = ", ".join(each.name for each in given), ", ".join(str(each.value) for each in given)
    if given and found.rows:
        growth.add(f"INSERT INTO {found.name} ({names}) SELECT {values} FROM generate_series(1, {found.rows}) AS i")


def typed_table(growth: Growth) -> None:
    """Make a table of a composite type."""
    kinds = [each for each in growth.types if each.category == "C"]
    if kinds:
        growth.add(f"CREATE TABLE {growth.qualified('typed')} OF {growth.pick(kinds).name}")


def partitioned_table(growth: Growth) -> None:
    """Make a table with partitions and their partitions, by range, by list and by hash."""
    schema, bare = growth.schema(), growth.fresh("partitioned")
    made = [_column(growth) for _ in range(growth.number(1, 4))]
    integer, text = growth.inventory.type("integer"), growth.inventory.type("text")
    key = Column(name=growth.fresh("key"), type=integer, value="i % 300")
    other = Column(name=growth.fresh("key"), type=text, value="chr(97 + i % 5)")
    columns = (*(column for column, _ in made), key, other)
    parts = ", ".join([*(sentence for _, sentence in made), f"{key.name} integer", f"{other.name} text"])
    found = Table(schema=schema, bare=bare, columns=columns, rows=growth.pick(_ROWS), is_plain=False)
    name, how = found.name, growth.pick(("RANGE", "LIST", "HASH"))
    by = growth.pick((key.name, f"({key.name} + 0)")) if how != "LIST" else other.name
    below = growth.pick(("", "", f" PARTITION BY HASH ({key.name})", f" PARTITION BY LIST ({other.name})"))
    growth.add(f"CREATE TABLE {name} ({parts}) PARTITION BY {how} ({by})")
    bounds = {
        "RANGE": ("FROM (MINVALUE) TO (100)", "FROM (100) TO (200)"),
        "LIST": ("IN ('a')", "IN ('b', 'c', NULL)"),
        "HASH": tuple(f"WITH (MODULUS 3, REMAINDER {n})" for n in range(3)),
    }[how]
    for number, bound in enumerate(
        [*(f"FOR VALUES {each}" for each in bounds), *(["DEFAULT"] if how != "HASH" else [])]
    ):
        partition = growth.qualified("partition")
        divided = below if number == 0 else ""
        growth.add(f"CREATE TABLE {partition} PARTITION OF {name} {bound}{divided}")
        if "HASH" in divided:
            growth.add(f"CREATE TABLE {growth.qualified('sub')} PARTITION OF {partition} {_WHOLE}")
        elif divided:
            growth.add(f"CREATE TABLE {growth.qualified('sub')} PARTITION OF {partition} DEFAULT")
    growth.tables.append(found)
    if growth.pick((False, True)):
        growth.add(f"ALTER TABLE {name} ADD PRIMARY KEY ({key.name}, {other.name})")
    _fill(growth, found)
    for _ in range(growth.number(0, 2)):
        index(growth, found)


def foreign_table(growth: Growth) -> None:
    """Make a foreign table of a server that is never asked, with a wrapper of its own or one of an extension."""
    wrapper, server = growth.pick(growth.known("wrapper")) if growth.known("wrapper") else "", growth.fresh("server")
    if not wrapper or growth.pick((False, True)):
        wrapper = growth.fresh("wrapper")
        growth.add(f"CREATE FOREIGN DATA WRAPPER {wrapper}")
    growth.add(f"CREATE SERVER {server} FOREIGN DATA WRAPPER {wrapper}")
    growth.add(f"CREATE USER MAPPING FOR PUBLIC SERVER {server}")
    options = " OPTIONS (filename '/nowhere')" if wrapper == "file_fdw" else ""
    column, sentence = growth.fresh("column"), growth.any_type().name
    growth.add(f"CREATE FOREIGN TABLE {growth.qualified('foreign')} ({column} {sentence}) SERVER {server}{options}")


def constraint(growth: Growth, found: Table | None = None) -> None:
    """Add a constraint of any kind, with its timing."""
    of = found or growth.table()
    column, name = growth.pick(of.columns), growth.fresh("constraint")
    timing = growth.pick(_TIMING)
    distinct = growth.maybe(" NULLS NOT DISTINCT", since=15)
    where, late = growth.maybe(f" WHERE ({column.name} IS NOT NULL)"), growth.maybe(" NOT VALID")
    given = constant(column.type)
    kinds = [
        f"UNIQUE{distinct} ({column.name}){timing}",
        f"PRIMARY KEY ({column.name}){timing}",
        f"CHECK ({column.name} IS NOT NULL OR {given} IS NOT NULL){late}",
        f"EXCLUDE USING {growth.pick(('gist', 'btree', 'hash', 'spgist'))} ({column.name} WITH =){where}{timing}",
        f"CHECK ({column.name} IS NOT NULL) NO INHERIT",
    ]
    if growth.major >= 18:
        kinds += [f"NOT NULL {column.name} NOT VALID", f"CHECK ({column.name} IS NULL) NOT ENFORCED"]
    growth.add(f"ALTER TABLE {of.name} ADD CONSTRAINT {name} {growth.pick(kinds)}")


def foreign_key(growth: Growth) -> None:
    """Make a table with a key and one that refers to it."""
    kind = growth.pick(
        [each for each in growth.inventory.types if each.name in {"integer", "text", "uuid", "date", "name"}]
    )
    parent, schema, bare = growth.qualified("parent"), growth.schema(), growth.fresh("child")
    key, reference = growth.fresh("key"), growth.fresh("reference")
    value = value_of(kind, kind.texts[0])
    growth.add(f"CREATE TABLE {parent} ({key} {kind.name} {growth.pick(('PRIMARY KEY', 'UNIQUE'))}, other integer)")
    rows = growth.pick(_ROWS)
    growth.add(f"INSERT INTO {parent} SELECT {value}, i FROM generate_series(1, {rows}) AS i ON CONFLICT DO NOTHING")
    divided = growth.maybe(f" PARTITION BY HASH ({reference})")
    columns = (Column(name=reference, type=kind, value=None),)
    found = Table(schema=schema, bare=bare, columns=columns, rows=0, is_plain=not divided)
    child = found.name
    growth.add(f"CREATE TABLE {child} ({reference} {kind.name}, note text){divided}")
    if divided:
        growth.add(f"CREATE TABLE {growth.qualified('partition')} PARTITION OF {child} {_WHOLE}")
    growth.add(f"INSERT INTO {child} SELECT {key}, 'note' FROM {parent}")
    how = growth.pick(("", "", " NOT VALID", " NOT ENFORCED" if growth.major >= 18 else " NOT VALID"))
    timing = "" if "ENFORCED" in how else growth.pick(_TIMING)
    growth.add(
        f"ALTER TABLE {child} ADD FOREIGN KEY ({reference}) REFERENCES {parent} ({key}){growth.maybe(' MATCH FULL')} "
        f"ON DELETE {growth.pick(_ACTIONS)} ON UPDATE {growth.pick(_ACTIONS)}{timing}{how}"
    )
    growth.tables.append(found)


def _key(growth: Growth, column: Column, chosen: OperatorClass | None) -> str:
    collation = f" COLLATE {growth.pick(growth.known('collation'))}" if column.type.collatable else ""
    plain, own = chosen is None or chosen.is_default, "" if chosen is None else f" {chosen.name}"
    order = ""
    if chosen is not None and chosen.method == "btree":
        order = growth.pick(("", " DESC", " NULLS FIRST", " DESC NULLS LAST"))
    expressions = [column.name, column.name, column.name]
    if column.type.name == "integer":
        expressions.append(f"({column.name} % 7)")
    if column.type.category == "S":
        expressions.append(f"lower({column.name}::text)")
    return f"{growth.pick(expressions)}{growth.maybe(collation)}{growth.maybe(own) if plain else own}{order}"


def index(growth: Growth, found: Table | None = None) -> None:
    """Make an index of a method on a column with one of the operator classes that may take it."""
    of = found or growth.table()
    column, other = growth.pick(of.columns), growth.pick(of.columns)
    offered = {each: growth.inventory.classes_for(column.type, each) for each in growth.inventory.methods}
    fitting = {method: classes for method, classes in offered.items() if classes}
    method = growth.pick(tuple(fitting)) if fitting else "btree"
    chosen = growth.pick(fitting[method]) if fitting else None
    keys = [_key(growth, column, chosen)]
    if method in {"btree", "gist", "gin", "brin", "bloom"} and other is not column and growth.pick((False, True)):
        keys.append(other.name)
    parameters = {
        "btree": ("fillfactor = 60", "deduplicate_items = off"), "hash": ("fillfactor = 60",),
        "gist": ("fillfactor = 60", "buffering = off"), "spgist": ("fillfactor = 60",),
        "gin": ("fastupdate = off", "gin_pending_list_limit = 128"),
        "brin": ("pages_per_range = 8", "autosummarize = on"), "bloom": ("length = 64",), "hnsw": ("m = 8",),
        "ivfflat": ("lists = 3",),
    }.get(method, ())  # fmt: skip
    unique = growth.maybe("UNIQUE ") if method == "btree" else ""
    include = growth.maybe(f" INCLUDE ({other.name})") if method in {"btree", "gist"} else ""
    options = growth.maybe(f" WITH ({growth.pick(parameters)})") if parameters else ""
    where = growth.maybe(f" WHERE {column.name} IS NOT NULL")
    name = f"{unique}INDEX {growth.fresh('index')} ON {of.name} USING {method}"
    growth.add(f"CREATE {name} ({', '.join(keys)}){include}{options}{where}")


def statistics(growth: Growth) -> None:
    """Make extended statistics of columns and expressions."""
    of = growth.table()
    kinds = ", ".join(growth.some(("ndistinct", "dependencies", "mcv")))
    keys = [column.name for column in growth.some(of.columns, most=3)]
    if len(keys) == 1:
        keys, kinds = [f"({keys[0]} IS NULL)"], ""
    name = growth.qualified("statistics")
    growth.add(f"CREATE STATISTICS {name}{f' ({kinds})' if kinds else ''} ON {', '.join(keys)} FROM {of.name}")
    growth.add(growth.maybe(f"ALTER STATISTICS {name} SET STATISTICS 50") or f"COMMENT ON STATISTICS {name} IS 'it''s'")
