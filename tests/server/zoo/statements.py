"""Statements about whatever tables and views a database has, with the operators that its catalog lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from hypothesis import strategies as st

from analyzer.db import Connection
from analyzer.sql import literal
from tests.server.capture_zoo import run

_RELATIONS = """
    SELECT c.oid::regclass::text AS name, c.relkind::text AS kind,
           json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, NULL),
                                      'oid', a.atttypid::bigint, 'number', a.attnum) ORDER BY a.attnum) AS columns
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
      AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|public)'
    GROUP BY c.oid, c.relkind
    ORDER BY c.oid
"""
#: By the type that is declared, its base type, or what it is one of.
_OPERATORS = """
    WITH RECURSIVE wanted (type, base) AS (
        SELECT DISTINCT a.atttypid, a.atttypid FROM pg_attribute AS a WHERE a.attrelid >= 16384 AND a.attnum > 0
        UNION
        SELECT w.type, t.typbasetype FROM wanted AS w JOIN pg_type AS t ON t.oid = w.base AND t.typtype = 'd'
    )
    SELECT w.type::bigint AS type, format('OPERATOR(%I.%s)', o.oprnamespace::regnamespace, o.oprname) AS operator,
           CASE WHEN r.typtype = 'p' OR r.oid = w.base THEN format_type(w.type, NULL) ELSE format_type(r.oid, NULL) END
               AS right_type, r.oid = w.base OR r.typtype = 'p' AS is_same
    FROM wanted AS w JOIN pg_type AS t ON t.oid = w.base
    JOIN pg_operator AS o ON o.oprresult = 'bool'::regtype AND o.oprcode <> 0 AND o.oprleft IN (w.base, CASE
        WHEN t.typcategory = 'A' THEN 'anyarray'::regtype WHEN t.typtype = 'e' THEN 'anyenum'::regtype
        WHEN t.typtype = 'r' THEN 'anyrange'::regtype WHEN t.typtype = 'm' THEN 'anymultirange'::regtype
        WHEN t.typtype = 'c' THEN 'record'::regtype END)
    JOIN pg_type AS r ON r.oid = o.oprright
    ORDER BY 1, 2, 3
"""
_INDEXED = """
    SELECT i.indrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid, 1, true) AS key,
           format('OPERATOR(%I.%s)', o.oprnamespace::regnamespace, o.oprname) AS operator,
           m.amoppurpose::text AS purpose,
           format_type(CASE WHEN r.typtype = 'p' THEN a.atttypid ELSE r.oid END, NULL) AS right_type
    FROM pg_index AS i JOIN pg_opclass AS c ON c.oid = i.indclass[0] JOIN pg_amop AS m ON m.amopfamily = c.opcfamily
    JOIN pg_operator AS o ON o.oid = m.amopopr JOIN pg_type AS r ON r.oid = o.oprright
    JOIN pg_attribute AS a ON a.attrelid = i.indexrelid AND a.attnum = 1
    WHERE i.indrelid >= 16384 AND i.indrelid::regclass::text !~ '^pg_toast'
    ORDER BY i.indexrelid, 3, 4, 5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What there is to ask about."""

    relations: tuple[Mapping[str, Any], ...]
    operators: Mapping[int, tuple[Mapping[str, Any], ...]]
    indexed: tuple[Mapping[str, Any], ...]


def read_surface(connection: Connection) -> Surface:
    """Read the relations of users, the operators that fit their columns, and what their indexes can search."""
    operators: dict[int, list[Mapping[str, Any]]] = {}
    for row in run(connection, _OPERATORS):
        operators.setdefault(row["type"], []).append(row)
    return Surface(
        relations=tuple(run(connection, _RELATIONS)),
        operators={kind: tuple(rows) for kind, rows in operators.items()},
        indexed=tuple(run(connection, _INDEXED)),
    )


@st.composite
def statements(draw: st.DrawFn, surface: Surface, connection: Connection, *, most: int) -> tuple[str, ...]:
    """Choose statements, with values that the tables of the live server have."""
    makers = [_filter, _filter, _aggregate, _join, _change] + [_by_index] * 3 * bool(surface.indexed)
    ask = _Asking(draw=draw, connection=connection, surface=surface)
    return tuple(draw(st.sampled_from(makers))(ask) for _ in range(most))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    draw: st.DrawFn
    connection: Connection
    surface: Surface

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def relation(self, kinds: str = "rpvm") -> Mapping[str, Any]:
        return self.pick([each for each in self.surface.relations if each["kind"] in kinds])

    def value(self, kind: str, relation: str, column: str) -> str:
        """Return a value of the column, or of another type's, or a parameter."""
        if self.pick((True, True, True, False)):
            try:
                rows = run(
                    self.connection,
                    f"SELECT ({column})::text::{kind}::text AS v FROM {relation} ORDER BY 1 OFFSET 5 LIMIT 3",
                )
            except psycopg.Error:
                rows = []
            if found := [row["v"] for row in rows if row["v"] is not None]:
                return f"{literal(self.pick(found))}::{kind}"
        return f"$1::{kind}" if self.pick((True, False)) else "$1"

    def condition(self, relation: Mapping[str, Any], column: Mapping[str, Any]) -> str:
        operators = self.surface.operators.get(column["oid"])
        if not operators or self.pick((True, False, False, False)):
            return f"{column['name']} IS {self.pick(('NULL', 'NOT NULL'))}"
        same = [each for each in operators if each["is_same"]] or operators
        chosen = self.pick(self.pick((same, operators)))
        value = self.value(chosen["right_type"], relation["name"], column["name"])
        return f"{column['name']} {chosen['operator']} {value}"


def _filter(ask: _Asking) -> str:
    relation = ask.relation()
    conditions = [ask.condition(relation, ask.pick(relation["columns"])) for _ in range(ask.pick((1, 1, 2)))]
    order = ask.pick(("", "", f" ORDER BY {ask.pick(relation['columns'])['name']} LIMIT 7"))
    return f"SELECT * FROM {relation['name']} WHERE {ask.pick((' AND ', ' OR ')).join(conditions)}{order}"


def _aggregate(ask: _Asking) -> str:
    relation = ask.relation()
    column = ask.pick(relation["columns"])["name"]
    return ask.pick(
        (
            f"SELECT {column}, count(*) FROM {relation['name']} GROUP BY {column}",
            f"SELECT DISTINCT {column} FROM {relation['name']}",
            f"SELECT max({column}), min({column}) FROM {relation['name']}",
            f"SELECT count(*) FROM {relation['name']}",
        )
    )


def _join(ask: _Asking) -> str:
    left, right = ask.relation(), ask.relation()
    pairs = [(a, b) for a in left["columns"] for b in right["columns"] if a["oid"] == b["oid"]]
    if not pairs:
        return f"SELECT count(*) FROM {left['name']} AS l CROSS JOIN {right['name']} AS r"
    one, other = ask.pick(pairs)
    how = ask.pick(("JOIN", "LEFT JOIN", "FULL JOIN"))
    return f"SELECT count(*) FROM {left['name']} AS l {how} {right['name']} AS r ON l.{one['name']} = r.{other['name']}"


def _change(ask: _Asking) -> str:
    relation = ask.relation("rp")
    column = ask.pick(relation["columns"])
    where = ask.condition(relation, ask.pick(relation["columns"]))
    return ask.pick(
        (
            f"DELETE FROM {relation['name']} WHERE {where}",
            f"UPDATE {relation['name']} SET {column['name']} = {column['name']} WHERE {where}",
            f"UPDATE {relation['name']} SET {column['name']} = DEFAULT WHERE {where}",
            f"INSERT INTO {relation['name']} ({column['name']}) VALUES (DEFAULT) ON CONFLICT DO NOTHING",
            f"INSERT INTO {relation['name']} SELECT * FROM {relation['name']} WHERE {where}",
        )
    )


def _by_index(ask: _Asking) -> str:
    by = ask.pick(ask.surface.indexed)
    value = ask.value(by["right_type"], by["name"], by["key"])
    if by["purpose"] == "o":
        return f"SELECT 1 FROM {by['name']} ORDER BY {by['key']} {by['operator']} {value} LIMIT 3"
    order = ask.pick(("", f" ORDER BY {by['key']}"))
    return f"SELECT 1 FROM {by['name']} WHERE {by['key']} {by['operator']} {value}{order}"
