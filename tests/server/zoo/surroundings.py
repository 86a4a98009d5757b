"""What stands around a schema: settings, publications, comments, conversions, and whatever else a database can hold."""

from tests.server.zoo.growth import Growth

_SETTINGS = (
    "random_page_cost = 1.3", "cpu_tuple_cost = 0.04", "work_mem = '1MB'", "search_path = zoo, public",
    "datestyle = 'German'", "intervalstyle = 'iso_8601'", "extra_float_digits = 0", "bytea_output = 'escape'",
    "standard_conforming_strings = off", "default_statistics_target = 30", "timezone = 'Asia/Kathmandu'",
    "lock_timeout = '9s'", "statement_timeout = '50s'", "default_transaction_read_only = off",
    "xmloption = 'document'", "lc_monetary = 'C'", "row_security = on", "quote_all_identifiers = on",
)  # fmt: skip


def access_method(growth: Growth) -> None:
    """Make an access method with the handler of another one, and a table or nothing of it."""
    kind, handler = growth.pick(growth.known("handler")).split(" ", 1)
    name = growth.fresh("method")
    growth.add(f"CREATE ACCESS METHOD {name} TYPE {'TABLE' if kind == 't' else 'INDEX'} HANDLER {handler}")
    if kind == "t":
        growth.add(f"CREATE TABLE {growth.qualified('table')} (a integer) USING {name}")


def settings(growth: Growth) -> None:
    """Set something of the planner for the database."""
    switch = f"{growth.pick(growth.known('setting'))} = {growth.pick(('on', 'off'))}"
    value = growth.pick((switch, *_SETTINGS)).replace("'", "''")
    growth.add(f"DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET {value}', current_database()); END$$")


def publication(growth: Growth) -> None:
    """Publish a table."""
    growth.add(f"CREATE PUBLICATION {growth.fresh('publication')} FOR TABLE {growth.table().name}")
    if growth.major >= 15:
        growth.add(f"CREATE PUBLICATION {growth.fresh('publication')} FOR TABLES IN SCHEMA zoo")


def subscription(growth: Growth) -> None:
    """Subscribe to nothing."""
    growth.add(
        f"CREATE SUBSCRIPTION {growth.fresh('subscription')} CONNECTION 'dbname=nowhere' PUBLICATION p "
        "WITH (connect = false, slot_name = NONE)"
    )


def conversion(growth: Growth) -> None:
    """Make a conversion."""
    growth.add(f"CREATE CONVERSION {growth.qualified('conversion')} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8")


def transform(growth: Growth) -> None:
    """Make a transform, and a language with it."""
    language, name = growth.fresh("language"), growth.qualified("transform")
    growth.add(f"CREATE LANGUAGE {language} HANDLER plpgsql_call_handler")
    growth.add(f"CREATE FUNCTION {name}(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_start'")
    growth.add(f"CREATE TRANSFORM FOR integer LANGUAGE {language} (FROM SQL WITH FUNCTION {name}(internal))")


def large_object(growth: Growth) -> None:
    """Make a large object."""
    growth.add("SELECT lo_create(0)")


def privileges(growth: Growth) -> None:
    """Grant something, now and for what will be."""
    growth.add("ALTER DEFAULT PRIVILEGES IN SCHEMA zoo GRANT SELECT ON TABLES TO PUBLIC")
    growth.add(f"REVOKE ALL ON {growth.table().name} FROM PUBLIC")
    growth.add(f"GRANT SELECT ({growth.table().columns[0].name}) ON {growth.table().name} TO PUBLIC")


def comment(growth: Growth) -> None:
    """Comment on a table and a column."""
    of = growth.table()
    growth.add(f"COMMENT ON TABLE {of.name} IS 'it''s\\n%s \u2028 <b>'")
    growth.add(f"COMMENT ON COLUMN {of.name}.{of.columns[0].name} IS 'a column'")


def extension(growth: Growth) -> None:
    """Install one that is available."""
    growth.add(f"CREATE EXTENSION IF NOT EXISTS {growth.pick(growth.known('extension'))} CASCADE")
