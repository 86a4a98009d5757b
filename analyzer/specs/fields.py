"""What the specs of every kind of object share: names, texts, expressions, a state, and a table's name."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from analyzer.postgres.identifiers import MOST_BYTES, QualifiedName, fits, unquote
from analyzer.postgres.schema_patterns import PATTERN, Schemas, is_pattern
from analyzer.specs.yaml_tree import MOST_SHOWN
from analyzer.sql import MOST_CHARACTERS, conforming, shortened

State = Literal["proposed", "approved", "rejected", "retired"]

#: Estimated rows of a table, by schema and name; None if unknown.
Rows = Callable[[str, str], float | None]

#: Sizes and durations as a spec writes them.
SIZE_PATTERN, DURATION_PATTERN = r"^\d+ ?(kB|MB|GB)$", r"^\d{1,5} ?(min|h|d)$"

_NAME = r'(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")'
_TABLE = re.compile(rf"(?P<schema>{_NAME})\.(?P<table>{_NAME})\Z")
_TABLES = re.compile(rf"(?P<schemas>{PATTERN})\.(?P<table>{_NAME})\Z")
_PATTERN = re.compile(rf"{PATTERN}\Z")


def parse_table(text: str) -> QualifiedName:
    """Split `schema.table`, where names with capitals, dots or spaces are in double quotes; raises ValueError."""
    match = _TABLE.match(text)
    if match is None:
        raise ValueError(
            f'{shown(text)} is not schema.table; quote names with capitals or spaces: \'"Sales"."Order Items"\''
        )
    return QualifiedName(*map(unquote, match.groups()))


def parse_tables(text: str, exceptions: Sequence[str] = ()) -> tuple[QualifiedName, Schemas | None]:
    """Read the `table` of a file: a table, or a pattern in place of its schema and the schemas meant.

    Raises ValueError.
    """
    found = _TABLES.match(text)
    if found is None or not is_pattern(found["schemas"]):
        return parse_table(text), None
    schemas = Schemas(patterns=(found["schemas"],), exceptions=tuple(exceptions))
    return QualifiedName(found["schemas"], unquote(found["table"])), schemas


def shown(text: str) -> str:
    return repr(shortened(text, MOST_SHOWN))


def _fits(name: str) -> str:
    if "\0" in name:
        raise ValueError(f"{shown(name)} holds a NUL, which no name can")
    if not fits(name):
        raise ValueError(f"{shown(name)} is longer than {MOST_BYTES} bytes, PostgreSQL would truncate it; shorten it")
    return name


def table_text(text: str) -> str:
    parse_tables(text)
    return text


def schema_text(text: str) -> str:
    if _PATTERN.match(text) is None:
        raise ValueError(f"{shown(text)} is no schema; quote names with capitals or spaces: '\"Sales\"'")
    return text


def _scalar_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _conforms(text: str) -> str:
    if conforming(text) != text:
        raise ValueError(
            rf"{shown(text)} has a backslash in a plain string; write '\d' as E'\\d', the backslash doubled"
        )
    return text


def none_is_empty(value: object) -> object:
    return () if value is None else value


class WrittenAs:
    """Types of JSON that a field may be written as besides its own; pydantic 2.6 knows no json_schema_input_type."""

    def __init__(self, *types: str) -> None:
        self._written = [{"type": each} for each in types]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        own = handler(schema)
        return {"anyOf": self._written if own in self._written else [*self._written, own]}


Name = Annotated[str, Field(min_length=1), AfterValidator(_fits)]
#: A storage parameter: YAML's number or boolean, or a word.
Parameter = Annotated[str, BeforeValidator(_scalar_text), WrittenAs("string", "integer", "number", "boolean")]
Text = Annotated[str, Field(min_length=1)]
#: SQL that a server reads alike whatever its standard_conforming_strings.
Expression = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS), AfterValidator(_conforms)]


class Strict(BaseModel):
    """A part of a spec file; an unknown key is an error, so that typos are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectSpec(Strict):
    """One declared object, and what every kind of object has: a name, and what a review says of it."""

    #: Key of the file that lists the specs of this kind.
    section: ClassVar[str]

    name: Name
    why: str | None = None
    state: State = "approved"
    reason: str | None = Field(default=None, description="Why it was rejected or retired.")
    until: dt.date | None = Field(default=None, description="A rejection holds until that day.")
    evidence: dict[str, Any] = Field(default_factory=dict)
