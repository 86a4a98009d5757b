"""Functions, aggregates, operators, casts, operator classes, views, rules, triggers, policies."""

from analyzer.sql import literal
from tests.server.zoo.growth import Growth, constant
from tests.server.zoo.inventory import Type

_VOLATILE = ("IMMUTABLE", "STABLE", "VOLATILE")
_EVENTS = ("INSERT", "UPDATE", "DELETE")


def function(growth: Growth) -> None:
    """Make a function in one of the languages, with what the planner heeds."""
    kind, name = growth.any_type(), growth.qualified("function")
    heed = f"{growth.pick(_VOLATILE)}{growth.maybe(' STRICT')} COST {growth.pick((1, 30, 9000))}"
    heed += growth.maybe(" LEAKPROOF") + growth.maybe(" PARALLEL SAFE") + growth.maybe(" SET search_path = pg_catalog")
    bodies = [
        f"({kind.name}) RETURNS {kind.name} LANGUAGE sql {heed} AS 'SELECT $1'",
        f"(given {kind.name} DEFAULT NULL) RETURNS {kind.name} LANGUAGE plpgsql {heed} AS 'BEGIN RETURN given; END'",
        f"(VARIADIC integer[]) RETURNS integer LANGUAGE sql {heed} AS 'SELECT $1[1]'",
        f"(anyelement) RETURNS anyelement LANGUAGE sql {heed} AS 'SELECT $1'",
        f"(integer) RETURNS SETOF integer LANGUAGE plpgsql {heed} ROWS 33 AS 'BEGIN RETURN NEXT $1; END'",
        f"() RETURNS TABLE (a integer, b text) LANGUAGE sql {heed} AS $$SELECT 1, 'x'$$",
        f"(integer, OUT a integer, OUT b text) LANGUAGE sql {heed} AS $$SELECT $1, 'x'$$",
        f"(integer) RETURNS integer LANGUAGE internal {heed} AS 'int4abs'",
    ]
    if growth.tables:
        bodies.append(f"({growth.table().name}) RETURNS integer LANGUAGE sql {heed} AS 'SELECT 7'")
        bodies.append(
            f"() RETURNS SETOF {growth.table().name} LANGUAGE sql {heed} AS 'SELECT * FROM {growth.table().name}'"
        )
    growth.add(f"CREATE FUNCTION {name}{growth.pick(bodies)}")
    standard = growth.qualified("standard")
    growth.add(f"CREATE FUNCTION {standard}(a integer) RETURNS integer {growth.pick(_VOLATILE)} RETURN a + 1")
    growth.remember("function", standard)


def procedure(growth: Growth) -> None:
    """Make a procedure."""
    growth.add(
        f"CREATE PROCEDURE {growth.qualified('procedure')}(INOUT a integer) LANGUAGE plpgsql AS 'BEGIN a := 1; END'"
    )


def aggregate(growth: Growth) -> None:
    """Make an aggregate: plain, moving, of an ordered set, in parallel."""
    name = growth.qualified("aggregate")
    options = [
        "(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0')",
        "(integer) (SFUNC = int4pl, STYPE = integer, COMBINEFUNC = int4pl, PARALLEL = SAFE, INITCOND = '0')",
        "(integer) (SFUNC = int4larger, STYPE = integer, SORTOP = >, SSPACE = 900)",
        "(integer) (SFUNC = int4pl, STYPE = integer, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer)",
        "(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0')",
        "(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC_EXTRA)",
    ]
    growth.add(f"CREATE AGGREGATE {name} {growth.pick(options)}")
    growth.remember("aggregate", name)


def operator(growth: Growth) -> None:
    """Make operators, with an estimator or without."""
    schema, name = growth.schema(), growth.qualified("function")
    sign = "@" * (1 + len(growth.known("operator")))
    growth.add(
        f"CREATE FUNCTION {name}(integer, integer) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt'"
    )
    estimators = growth.maybe(f", RESTRICT = {growth.pick(growth.known('estimator'))}")
    growth.add(
        f"CREATE OPERATOR {schema}.{sign} (FUNCTION = {name}, LEFTARG = integer, RIGHTARG = integer{estimators})"
    )
    growth.add(f"CREATE OPERATOR {schema}.!{sign} (FUNCTION = int4abs, RIGHTARG = integer)")
    growth.remember("operator", f"OPERATOR({schema}.{sign})")


def operator_class(growth: Growth) -> None:
    """Make an operator class, in a family with what was added to it, and an index with it."""
    name, family, compare = growth.qualified("class"), growth.qualified("family"), growth.qualified("compare")
    growth.add(
        f"CREATE FUNCTION {compare}(integer, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp'"
    )
    growth.add(f"CREATE OPERATOR FAMILY {family} USING btree")
    growth.add(
        f"CREATE OPERATOR CLASS {name} FOR TYPE integer USING btree FAMILY {family} AS OPERATOR 1 <, OPERATOR 2 <=, "
        f"OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 {compare}(integer, integer)"
    )
    growth.add(
        growth.maybe(f"ALTER OPERATOR FAMILY {family} USING btree ADD OPERATOR 1 < (integer, bigint)") or "SELECT 1"
    )
    table = growth.qualified("ordered")
    growth.add(f"CREATE TABLE {table} AS SELECT i % 500 AS a, i AS b FROM generate_series(1, 3000) AS i")
    growth.add(f"CREATE INDEX {growth.fresh('index')} ON {table} (a {name})")


def cast(growth: Growth) -> None:
    """Make a cast between a type of one's own and another."""
    if growth.types:
        kind, name = growth.pick(growth.types), growth.qualified("cast")
        growth.add(f"CREATE FUNCTION {name}({kind.name}) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'")
        how = growth.pick((f"WITH FUNCTION {name}({kind.name})", "WITH INOUT"))
        growth.add(f"CREATE CAST ({kind.name} AS integer) {how}{growth.pick(('', ' AS ASSIGNMENT'))}")


def view(growth: Growth) -> None:
    """Make a view or a materialised one: over tables and views, recursive, with a check."""
    of, name = growth.table(), growth.qualified("view")
    columns = ", ".join(column.name for column in growth.some(of.columns))
    options = growth.pick(("", " WITH (security_barrier)", " WITH (security_invoker)" if growth.major >= 15 else ""))
    first = of.columns[0].name
    scope = growth.pick(("LOCAL", "CASCADED"))
    below = growth.pick([of.name, *growth.made.get("view", ())])
    choices = [
        f"VIEW {name}{options} AS SELECT {columns} FROM {of.name} WHERE {first} IS NOT NULL",
        f"VIEW {name}{options} AS SELECT * FROM {below}",
        f"VIEW {name} AS SELECT {first}, count(*) AS many FROM {of.name} GROUP BY {first}",
        f"VIEW {name} AS SELECT * FROM {of.name} WHERE {first} IS NOT NULL WITH {scope} CHECK OPTION",
        f"VIEW {name} AS WITH RECURSIVE w (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 9) SELECT n FROM w",
        f"VIEW {name} AS SELECT {first}, row_number() OVER () AS n FROM {of.name} JOIN {of.name} AS u USING ({first})",
        f"MATERIALIZED VIEW {name} AS SELECT {columns} FROM {of.name}{growth.maybe(' WITH NO DATA')}",
        f"MATERIALIZED VIEW {name} WITH (fillfactor = 50) AS SELECT * FROM {below}",
    ]
    growth.add(f"CREATE {growth.pick(choices)}")
    growth.remember("view", name)


def keyed_view(growth: Growth) -> None:
    """Make a view that a primary key carries: it groups by the key and shows other columns."""
    table, name = growth.qualified("keyed"), growth.qualified("view")
    growth.add(f"CREATE TABLE {table} (id integer PRIMARY KEY, a integer, b text)")
    growth.add(f"INSERT INTO {table} SELECT i, i % 9, 'b' || i FROM generate_series(1, {growth.pick((0, 800))}) AS i")
    growth.add(f"CREATE VIEW {name} AS SELECT id, a, b, count(*) AS n FROM {table} GROUP BY id")
    growth.remember("view", name)


def rule(growth: Growth) -> None:
    """Make a rule."""
    of = growth.table()
    does = growth.pick(("NOTHING", "INSTEAD NOTHING", "ALSO SELECT 1", f"INSTEAD DELETE FROM {growth.table().name}"))
    growth.add(f"CREATE RULE {growth.fresh('rule')} AS ON {growth.pick(_EVENTS)} TO {of.name} DO {does}")


def trigger(growth: Growth) -> None:
    """Make a trigger: of rows, of statements, of a constraint, with transition tables, or of events."""
    of, name = growth.table(), growth.qualified("function")
    growth.add(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    event = growth.pick(_EVENTS)
    made = growth.fresh("trigger")
    choices = [
        f"TRIGGER {made} BEFORE {event} ON {of.name} FOR EACH ROW EXECUTE FUNCTION {name}()",
        f"TRIGGER {made} AFTER INSERT ON {of.name} REFERENCING NEW TABLE AS new EXECUTE FUNCTION {name}()",
        f"CONSTRAINT TRIGGER {made} AFTER {event} ON {of.name} DEFERRABLE FOR EACH ROW EXECUTE FUNCTION {name}()",
        f"TRIGGER {made} AFTER UPDATE OF {of.columns[0].name} ON {of.name} EXECUTE FUNCTION {name}('it''s')",
    ]
    growth.add(f"CREATE {growth.pick(choices)}")
    if growth.pick((False, False, True)):
        growth.add(
            f"ALTER TABLE {of.name} {growth.pick(('DISABLE', 'ENABLE ALWAYS', 'ENABLE REPLICA'))} TRIGGER {made}"
        )


def event_trigger(growth: Growth) -> None:
    """Make an event trigger that does nothing."""
    name = growth.qualified("function")
    growth.add(f"CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    growth.add(f"CREATE EVENT TRIGGER {growth.fresh('event')} ON ddl_command_end EXECUTE FUNCTION {name}()")


def policy(growth: Growth) -> None:
    """Make a policy of a table whose row security may be off."""
    of = growth.table()
    first = of.columns[0]
    condition = growth.pick((f"{first.name} IS NOT NULL", "current_user = 'somebody'", "true"))
    growth.add(
        f"CREATE POLICY {growth.fresh('policy')} ON {of.name} AS {growth.pick(('PERMISSIVE', 'RESTRICTIVE'))} "
        f"FOR {growth.pick(('ALL', 'SELECT', 'UPDATE', 'DELETE'))} USING ({condition})"
    )
    growth.add(f"ALTER TABLE {of.name} {growth.pick(('ENABLE', 'ENABLE', 'FORCE', 'DISABLE'))} ROW LEVEL SECURITY")


def text_search_index(growth: Growth) -> None:
    """Make an index on the words of a text, of a configuration that may be one's own."""
    table, configuration = growth.qualified("document"), growth.pick(growth.known("configuration"))
    words = f"to_tsvector({literal(configuration)}::regconfig, body)"
    generated = growth.maybe(f", words tsvector GENERATED ALWAYS AS ({words}) STORED")
    growth.add(f"CREATE TABLE {table} (id integer, body text{generated})")
    text = "'word' || i % 90 || ' thing' || i % 7"
    growth.add(f"INSERT INTO {table} (id, body) SELECT i, {text} FROM generate_series(1, 900) AS i")
    growth.add(f"CREATE INDEX {growth.fresh('index')} ON {table} USING {growth.pick(('gin', 'gist'))} ({words})")
    growth.remember(
        "condition", f"SELECT id FROM {table} WHERE {words} @@ to_tsquery({literal(configuration)}::regconfig, 'word7')"
    )


def expression_index(growth: Growth) -> None:
    """Make an index on a function of a row, of a column or of a polymorphic type."""
    of, name = growth.table(plain=True), growth.qualified("function")
    column = growth.pick(of.columns)
    body = "LANGUAGE sql IMMUTABLE AS 'SELECT 7'"
    argument, call = growth.pick(
        (
            (of.name, f"{name}({of.bare})"),
            (column.type.name, f"{name}({column.name})"),
            ("anyelement", f"{name}({column.name})"),
        )
    )
    growth.add(f"CREATE FUNCTION {name}({argument}) RETURNS integer {body}")
    growth.add(f"CREATE INDEX {growth.fresh('index')} ON {of.name} (({call}))")
    growth.remember("condition", f"SELECT count(*) FROM {of.name} WHERE {call} = 7")


def row_type_column(growth: Growth) -> None:
    """Make a table with a column of another table's row type, or of an array of a type."""
    of = growth.table(plain=True)
    kind = growth.pick((Type(name=of.name, texts=("NULL::text",), sample="()"), growth.any_type()))
    growth.add(f"CREATE TABLE {growth.qualified('rows')} (id integer, part {kind.name}, parts {kind.name}[])")


def default(growth: Growth) -> None:
    """Make a table whose default is a function's, a sequence's or a constant's."""
    kind = growth.any_type()
    value = growth.pick(
        [constant(kind), *(f"{name}(3)::text::{kind.name}" for name in growth.made.get("function", ()))]
    )
    sequence = growth.qualified("sequence")
    growth.add(f"CREATE SEQUENCE {sequence} AS smallint INCREMENT 3 CYCLE")
    growth.add(
        f"CREATE TABLE {growth.qualified('defaults')} (id integer DEFAULT nextval({literal(sequence)}), "
        f"a {kind.name} DEFAULT {value})"
    )
