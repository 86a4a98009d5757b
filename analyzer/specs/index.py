"""The spec of an index: what an entry of `indexes:` may say, and the index it declares."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from analyzer.objects.index import IndexDef, Key, Timing
from analyzer.postgres.access_methods import MethodName
from analyzer.postgres.pgvector import advised_lists
from analyzer.postgres.schema_patterns import specialized
from analyzer.specs.fields import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    Expression,
    Name,
    ObjectSpec,
    Parameter,
    State,
    Strict,
    Text,
    WrittenAs,
    shown,
)
from analyzer.sql import conforming

_TIMINGS: Mapping[bool, Timing] = {False: "not deferrable", True: "deferrable"}


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

    def key(self, schema: str) -> Key:
        """Return the key of an index in a schema."""
        return Key(
            column=self.column,
            expression=None if self.expression is None else specialized(self.expression, schema),
            opclass=self.opclass,
            opclass_parameters=tuple(self.opclass_parameters.items()),
            collation=self.collation,
            descending=self.order == "desc",
            nulls=self.nulls,
        )


def _key(value: object) -> object:
    if isinstance(value, str) and "(" in value:
        raise ValueError(
            f"{shown(value)} looks like an expression; write {{expression: …}}, or {{column: …}} if it is a name"
        )
    return {"column": value} if isinstance(value, str) else value


KeyItem = Annotated[KeySpec, BeforeValidator(_key), WrittenAs("string")]


class Build(Strict):
    """Settings for the building session."""

    maintenance_work_mem: Annotated[str, Field(pattern=SIZE_PATTERN)] | None = Field(
        default=None, description="Memory of the build, such as 2GB."
    )
    parallel_workers: Annotated[int, Field(ge=0, le=1024)] | None = None

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return them as PostgreSQL's settings."""
        workers = None if self.parallel_workers is None else str(self.parallel_workers)
        pairs = (("maintenance_work_mem", self.maintenance_work_mem), ("max_parallel_maintenance_workers", workers))
        return tuple((name, value) for name, value in pairs if value is not None)


class IndexSpec(ObjectSpec):
    """One declared index."""

    section: ClassVar[str] = "indexes"

    method: MethodName = "btree"
    keys: Annotated[tuple[KeyItem, ...], Field(min_length=1)]
    include: tuple[Name, ...] = Field(default=(), description="Columns a covering index carries along.")
    where: Expression | None = Field(default=None, description="Predicate of a partial index.")
    unique: bool | Literal["constraint"] = Field(
        default=False, description="With constraint, the index of a unique constraint, which has its name."
    )
    deferrable: bool | Literal["initially deferred"] = Field(
        default=False, description="When a unique constraint is checked: true for DEFERRABLE, or initially deferred."
    )
    nulls_not_distinct: bool = False
    parameters: dict[str, Parameter] = Field(default_factory=dict, alias="with", description="Storage parameters.")
    tablespace: Name | None = Field(default=None, description="Without one the database's own.")
    comment: Text | None = Field(default=None, description="What COMMENT ON INDEX says on the server.")
    build: Build = Build()
    keep_old: Annotated[str, Field(pattern=DURATION_PATTERN)] | None = Field(
        default=None, description="How long an index that this one replaces stays for the way back, such as 1d."
    )
    change: Literal["retire"] | None = Field(
        default=None, description="What is proposed of an index that exists: set state: retired to drop it."
    )
    replaced_by: tuple[Name, ...] = Field(
        default=(), description="Indexes that must exist, or be built by the same revision, before this one is dropped."
    )

    @model_validator(mode="after")
    def _is_decided(self) -> "IndexSpec":
        if self.change == "retire" and self.state == "approved":
            raise ValueError(
                "state: approved keeps what change: retire drops; write state: retired, or remove change to keep it"
            )
        return self

    @model_validator(mode="after")
    def _can_be_a_constraint(self) -> "IndexSpec":
        if self.unique != "constraint":
            if self.deferrable:
                raise ValueError("only a constraint is deferrable; write unique: constraint")
            return self
        plain = all(key == KeySpec(column=key.column) for key in self.keys if key.column is not None)
        if self.method != "btree" or self.where is not None or not plain or any(key.expression for key in self.keys):
            raise ValueError(
                "a unique constraint is of plain columns, without WHERE, order, operator class or collation; write "
                "unique: true for a unique index"
            )
        if self.keep_old is not None:
            raise ValueError("a unique constraint that is replaced cannot be kept; remove keep_old")
        return self

    @property
    def timing(self) -> Timing | None:
        """Return when the unique constraint declared is checked; None without one."""
        if self.unique != "constraint":
            return None
        return "initially deferred" if self.deferrable == "initially deferred" else _TIMINGS[bool(self.deferrable)]

    def definition(self, schema: str, table: str, rows: float | None) -> IndexDef:
        """Return the index declared; `rows` of the table resolve `lists: auto`."""
        parameters = {
            name: str(advised_lists(rows)) if (name, value) == ("lists", "auto") else value
            for name, value in self.parameters.items()
        }
        return IndexDef(
            schema=schema,
            table=table,
            name=self.name,
            method=self.method,
            keys=tuple(key.key(schema) for key in self.keys),
            include=self.include,
            where=None if self.where is None else specialized(self.where, schema),
            unique=bool(self.unique),
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


def spec_entry(
    index: IndexDef,
    *,
    state: State,
    why: str,
    evidence: Mapping[str, Any],
    comment: str | None = None,
    statistics: Sequence[tuple[int, int]] = (),
    change: Literal["retire"] | None = None,
    replaced_by: Sequence[str] = (),
    reason: str = "",
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
        "change": change,
        "replaced_by": list(replaced_by),
        "reason": reason,
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
