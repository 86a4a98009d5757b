"""The spec: what one YAML file of `index_specs/` may say, and the index it asks for."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.access_methods import MethodName
from analyzer.postgres.identifiers import MOST_BYTES, QualifiedName, fits, unquote
from analyzer.postgres.pgvector import advised_lists
from analyzer.specs.yaml_tree import MOST_SHOWN
from analyzer.sql import MOST_CHARACTERS, conforming, shortened

State = Literal["proposed", "approved", "rejected", "retired"]

#: Estimated rows of a table, by schema and name; None when nobody knows.
Rows = Callable[[str, str], float | None]

_TABLE = re.compile(r'(?P<schema>[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\.(?P<table>[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\Z')


def parse_table(text: str) -> QualifiedName:
    """Split `schema.table`, where names with capitals, dots or spaces are in double quotes; raises ValueError."""
    match = _TABLE.match(text)
    if match is None:
        raise ValueError(
            f'{_shown(text)} is not schema.table; quote names with capitals or spaces: \'"Sales"."Order Items"\''
        )
    return QualifiedName(*map(unquote, match.groups()))


def _shown(text: str) -> str:
    return repr(shortened(text, MOST_SHOWN))


def _fits(name: str) -> str:
    if not fits(name):
        raise ValueError(f"{_shown(name)} is longer than {MOST_BYTES} bytes, PostgreSQL would cut it; shorten it")
    return name


def _table_text(text: str) -> str:
    parse_table(text)
    return text


def _scalar_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _conforms(text: str) -> str:
    if conforming(text) != text:
        raise ValueError(
            rf"{_shown(text)} has a backslash in a plain string; write '\d' as E'\\d', the backslash doubled"
        )
    return text


def _none_is_empty(value: object) -> object:
    return () if value is None else value


Name = Annotated[str, Field(min_length=1), AfterValidator(_fits)]
#: A storage parameter: YAML's number or boolean, or a word.
Parameter = Annotated[str, BeforeValidator(_scalar_text, json_schema_input_type=str | int | float | bool)]
Text = Annotated[str, Field(min_length=1)]
#: SQL that a server reads alike whatever its standard_conforming_strings.
Expression = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS), AfterValidator(_conforms)]


class Strict(BaseModel):
    """A part of a spec file; a key nobody knows is an error, so that a typo cannot pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KeySpec(Strict):
    """One key, when more is to be said than a column's name."""

    column: Name | None = None
    expression: Expression | None = Field(default=None, description="SQL over the table's own columns, IMMUTABLE.")
    opclass: Text | None = None
    opclass_parameters: dict[str, Parameter] = Field(default_factory=dict)
    collation: Text | None = None
    order: Literal["asc", "desc"] = "asc"
    nulls: Literal["first", "last"] | None = None
    statistics: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="Statistics target of an expression; without one the server's default."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "KeySpec":
        if (self.column is None) == (self.expression is None):
            raise ValueError("a key needs either column or expression")
        if self.statistics is not None and self.expression is None:
            raise ValueError("only an expression has a statistics target here; give a column's to its table")
        return self

    def key(self) -> Key:
        """Return the key as a stage speaks of it."""
        return Key(
            column=self.column,
            expression=self.expression,
            opclass=self.opclass,
            opclass_parameters=tuple(self.opclass_parameters.items()),
            collation=self.collation,
            descending=self.order == "desc",
            nulls=self.nulls,
        )


def _key(value: object) -> object:
    if isinstance(value, str) and "(" in value:
        raise ValueError(
            f"{_shown(value)} looks like an expression; write {{expression: …}}, or {{column: …}} if it is a name"
        )
    return {"column": value} if isinstance(value, str) else value


KeyItem = Annotated[KeySpec, BeforeValidator(_key, json_schema_input_type=str | KeySpec)]


class Build(Strict):
    """Settings for the building session."""

    maintenance_work_mem: Annotated[str, Field(pattern=r"^\d+ ?(kB|MB|GB)$")] | None = Field(
        default=None, description="Memory of the build, such as 2GB."
    )
    parallel_workers: Annotated[int, Field(ge=0, le=1024)] | None = None

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return them as PostgreSQL's settings."""
        workers = None if self.parallel_workers is None else str(self.parallel_workers)
        pairs = (("maintenance_work_mem", self.maintenance_work_mem), ("max_parallel_maintenance_workers", workers))
        return tuple((name, value) for name, value in pairs if value is not None)


class Spec(Strict):
    """One declared index."""

    name: Name
    method: MethodName = "btree"
    keys: Annotated[tuple[KeyItem, ...], Field(min_length=1)]
    include: tuple[Name, ...] = Field(default=(), description="Columns a covering index carries along.")
    where: Expression | None = Field(default=None, description="Predicate of a partial index.")
    unique: bool = False
    nulls_not_distinct: bool = False
    parameters: dict[str, Parameter] = Field(default_factory=dict, alias="with", description="Storage parameters.")
    tablespace: Name | None = Field(default=None, description="Without one the database's own.")
    comment: Text | None = Field(default=None, description="What COMMENT ON INDEX says on the server.")
    build: Build = Build()
    why: str | None = None
    state: State = "approved"
    reason: str | None = Field(default=None, description="Why it was rejected or retired.")
    until: dt.date | None = Field(default=None, description="A rejection holds until that day.")
    evidence: dict[str, Any] = Field(default_factory=dict)

    def index(self, schema: str, table: str, rows: float | None) -> IndexDef:
        """Return the index asked for; `rows` of the table resolve `lists: auto`."""
        parameters = {
            name: str(advised_lists(rows)) if (name, value) == ("lists", "auto") else value
            for name, value in self.parameters.items()
        }
        return IndexDef(
            schema=schema,
            table=table,
            name=self.name,
            method=self.method,
            keys=tuple(key.key() for key in self.keys),
            include=self.include,
            where=self.where,
            unique=self.unique,
            nulls_not_distinct=self.nulls_not_distinct,
            parameters=tuple(parameters.items()),
            tablespace=self.tablespace,
        )

    @property
    def statistics(self) -> tuple[tuple[int, int], ...]:
        """Return the statistics targets of expressions: (position from 1, target)."""
        numbered = enumerate(self.keys, start=1)
        return tuple((position, key.statistics) for position, key in numbered if key.statistics is not None)

    def keep_resolved(self, wanted: IndexDef, existing: IndexDef) -> IndexDef:
        """Give a wanted index the `lists` that `auto` once resolved to, so that a growing table is no change."""
        lists = dict(existing.parameters).get("lists")
        if self.parameters.get("lists") != "auto" or lists is None:
            return wanted
        return replace(wanted, parameters=tuple((dict(wanted.parameters) | {"lists": lists}).items()))


class SpecFile(Strict):
    """One file of `index_specs/`: the indexes wanted on one table."""

    model_config = ConfigDict(title="twindex index specs")

    table: Annotated[str, AfterValidator(_table_text)] = Field(
        description='schema.table; names with capitals or spaces in double quotes: \'"Sales"."Order Items"\'.'
    )
    manage: Literal["named", "all"] = Field(
        default="named", description="With all, an index of the table that no spec names is dropped."
    )
    indexes: Annotated[tuple[Spec, ...], BeforeValidator(_none_is_empty)] = ()

    @property
    def schema_and_table(self) -> tuple[str, str]:
        """Return the table's schema and name, unquoted."""
        return parse_table(self.table)


def json_schema() -> str:
    """Render the JSON Schema of a spec file, as committed in index_specs/schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SpecFile.model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def spec_entry(
    index: IndexDef,
    *,
    state: State,
    why: str,
    evidence: Mapping[str, Any],
    comment: str | None = None,
    statistics: Sequence[tuple[int, int]] = (),
) -> dict[str, Any]:
    """Write an index as the YAML mapping of a spec, defaults left out, in the order the guide shows.

    `statistics` are the targets of its expressions: (position from 1, target).
    """
    targets = dict(statistics)
    entry: dict[str, Any] = {"name": index.name}
    optional: dict[str, Any] = {
        "method": index.method if index.method != "btree" else None,
        "keys": [_key_entry(key, targets.get(position)) for position, key in enumerate(index.keys, start=1)],
        "include": list(index.include),
        "where": None if index.where is None else conforming(str(index.where)),
        "unique": index.unique,
        "nulls_not_distinct": index.nulls_not_distinct,
        "with": {name: _yaml_scalar(value) for name, value in index.parameters},
        "tablespace": index.tablespace,
        "comment": comment,
        "state": state if state != "approved" else None,
        "why": why,
        "evidence": json.loads(json.dumps(dict(evidence))),
    }
    return entry | {name: value for name, value in optional.items() if value}


def _key_entry(key: Key, statistics: int | None) -> str | dict[str, Any]:
    entry: dict[str, Any] = {
        "column": key.column,
        # str() of an expression that was made SQL already: YAML knows no subclasses of text.
        "expression": None if key.expression is None else conforming(str(key.expression)),
        "opclass": key.opclass,
        "opclass_parameters": {name: _yaml_scalar(value) for name, value in key.opclass_parameters},
        "collation": key.collation,
        "order": "desc" if key.descending else None,
        "nulls": key.nulls,
    }
    short = {name: value for name, value in entry.items() if value}
    if statistics is not None:
        short["statistics"] = statistics
    return key.column if key.column is not None and len(short) == 1 and "(" not in key.column else short


def _yaml_scalar(text: str) -> str | int | bool:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if re.fullmatch(r"0|[1-9]\d{0,17}", text) else text
