"""What a server's catalog lists that a schema can be made of, and values that its types take, found by trying."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from analyzer.db import Connection
from tests.server.capture_zoo import run

#: Texts that depend on `i`. A type takes some of them; which, only its input function knows.
_TEXTS = (
    "i::text", "(i % 7)::text", "'word ' || i % 40", "(i / 3.0)::text", "(i % 2 = 0)::text", "md5(i::text)",
    "(date '2024-01-01' + i % 900)::text", "(timestamp '2024-01-01' + i * interval '37 minutes')::text",
    "(time '00:00' + i * interval '7 minutes')::text || '+02'", "i % 90 || ' days'", "right(i::bit(32)::text, 1)",
    "'(' || i || ',' || i % 30 || ')'", "'((0,0),(' || i || ',' || i % 30 || '))'", "'<(0,0),' || i || '>'",
    "'{' || i || ',1,2}'", "'{1,' || i % 50 || '}'", "'[' || i || ',' || i + 5 || ')'",
    "'{[' || i || ',' || i + 5 || ')}'", "'[2024-01-01,' || date '2024-01-02' + i % 900 || ')'",
    "'{[2024-01-01,' || date '2024-01-02' + i % 900 || ')}'",
    "'10.0.' || i % 250 || '.1'", "'10.0.' || i % 250 || '.0/24'", "'08:00:2b:01:02:' || lpad(to_hex(i % 256), 2, '0')",
    "'08:00:2b:01:02:03:04:' || lpad(to_hex(i % 256), 2, '0')", "'{\"a\": ' || i % 80 || ', \"b\": [' || i || ']}'",
    "'<a>' || i || '</a>'", "'w' || i % 90 || ':1 thing:2'", "'w' || i % 90 || ' & thing'", "i || ':' || i + 9 || ':'",
    "to_hex(i) || '/' || to_hex(i)", "'$[' || i % 9 || ']'", "'\\x' || md5(i::text)", "'a.b' || i % 60",
    "'k=>' || i % 70",
    "'978-0-393-04002-9'", "'simple'", "'pg_catalog'", "'pg_class'", "'int4'", "'abs(int4)'", "'+(int4,int4)'",
    "'postgres=r/postgres'", "'[1,' || i || ',3]'", "'{1:' || i || '}/5'",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type and how values of it are written."""

    name: str
    #: `pg_type.typcategory`.
    category: str = "U"
    collatable: bool = False
    #: Whether its values may be stored out of line.
    is_variable: bool = False
    #: SQL that makes a text of `i`, which the type takes.
    texts: tuple[str, ...]
    #: A value, as it is shown.
    sample: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorClass:
    """An operator class of an access method."""

    method: str
    name: str
    type: str
    #: `pg_type.typcategory` of what it is for; P for a polymorphic one.
    category: str
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is to choose from."""

    major: int
    types: tuple[Type, ...]
    operator_classes: tuple[OperatorClass, ...]
    #: Qualified names by kind: extension, collation, configuration, dictionary, template, parser, language, wrapper,
    #: estimator, handler.
    names: dict[str, tuple[str, ...]]

    def type(self, name: str) -> Type:
        """Return the type of that name."""
        return next(each for each in self.types if each.name == name)

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the access methods of indexes."""
        return tuple(dict.fromkeys(each.method for each in self.operator_classes))

    def classes_for(self, kind: Type, method: str) -> tuple[OperatorClass, ...]:
        """Return the operator classes that may take a type's values."""
        return tuple(
            each
            for each in self.operator_classes
            if each.method == method
            and (each.type == kind.name or (each.category == "P" and kind.category in _POLYMORPHIC.get(each.type, "")))
        )


_POLYMORPHIC = {"anyarray": "A", "anyenum": "E", "anyrange": "R", "anymultirange": "R", "record": "C"}

_TAKEN = """
    CREATE FUNCTION pg_temp.taken(kind text, value text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE shown text;
    BEGIN
        EXECUTE format('SELECT max((%s)::%s::text) FROM (VALUES (1), (37), (1213)) AS v (i)', value, kind) INTO shown;
        RETURN shown;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END $$
"""
_TYPES = """
    SELECT name, category, collatable, is_variable, array_agg(value ORDER BY position) AS texts, max(sample) AS sample
    FROM (
        SELECT format_type(t.oid, NULL) AS name, t.typcategory::text AS category, t.typcollation <> 0 AS collatable,
               t.typlen = -1 AND t.typstorage <> 'p' AS is_variable
        FROM pg_type AS t
        WHERE t.typtype IN ('b', 'r', 'm') AND t.typisdefined AND t.typrelid = 0
          AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.oid = t.typelem AND e.typtype IN ('c', 'p'))
    ) AS t, unnest(%(texts)s::text[]) WITH ORDINALITY AS v (value, position)
    CROSS JOIN LATERAL pg_temp.taken(name, value) AS s (sample)
    WHERE sample IS NOT NULL
    GROUP BY name, category, collatable, is_variable
    ORDER BY name
"""
_CLASSES = """
    SELECT m.amname AS method, format('%I.%I', n.nspname, c.opcname) AS name, format_type(c.opcintype, NULL) AS type,
           t.typcategory::text AS category, c.opcdefault AS is_default
    FROM pg_opclass AS c JOIN pg_am AS m ON m.oid = c.opcmethod JOIN pg_namespace AS n ON n.oid = c.opcnamespace
    JOIN pg_type AS t ON t.oid = c.opcintype
    ORDER BY 1, 2, 3
"""
_NAMES = """
    SELECT 'extension' AS kind, quote_ident(e.name) AS name FROM pg_available_extensions AS e
    UNION ALL SELECT 'collation', format('%I.%I', collnamespace::regnamespace, collname) FROM pg_collation
    WHERE collencoding IN (-1, 6) AND collname <> 'default'
    UNION ALL SELECT 'configuration', format('%I.%I', cfgnamespace::regnamespace, cfgname) FROM pg_ts_config
    UNION ALL SELECT 'dictionary', format('%I.%I', dictnamespace::regnamespace, dictname) FROM pg_ts_dict
    UNION ALL SELECT 'template', format('%I.%I', tmplnamespace::regnamespace, tmplname) FROM pg_ts_template
    UNION ALL SELECT 'parser', format('%I.%I', prsnamespace::regnamespace, prsname) FROM pg_ts_parser
    UNION ALL SELECT 'language', quote_ident(lanname) FROM pg_language WHERE lanname NOT IN ('internal', 'c')
    UNION ALL SELECT 'wrapper', quote_ident(fdwname) FROM pg_foreign_data_wrapper
    UNION ALL SELECT DISTINCT 'estimator', oprrest::text FROM pg_operator WHERE oprrest <> 0 AND oprnamespace = 11
    UNION ALL SELECT 'handler', format('%s %s', amtype, amhandler) FROM pg_am
    UNION ALL SELECT 'setting', name FROM pg_settings WHERE category LIKE 'Query Tuning%' AND vartype = 'bool'
    ORDER BY 1, 2
"""


def take_inventory(connection: Connection) -> Inventory:
    """Read the catalog of a database."""
    run(connection, _TAKEN)
    names: dict[str, list[str]] = defaultdict(list)
    for row in run(connection, _NAMES):
        names[row["kind"]].append(row["name"])
    return Inventory(
        major=connection.info.server_version // 10_000,
        types=tuple(_type(**row) for row in run(connection, _TYPES, texts=list(_TEXTS))),
        operator_classes=tuple(OperatorClass(**row) for row in run(connection, _CLASSES)),
        names={kind: tuple(found) for kind, found in names.items()},
    )


def _type(*, texts: list[str], **row: Any) -> Type:
    return Type(texts=tuple(texts), **row)
