"""The project's settings: `[tool.twindex]` of pyproject.toml, and the database they point at."""

import configparser
import os
import stat
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from analyzer.amounts import parse_size
from analyzer.errors import InputError
from analyzer.paths import is_there
from analyzer.postgres.access_methods import METHODS
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Tables

_MISTAKES = {
    "extra_forbidden": "unknown setting",
    "path_type": "must be a path in quotes",
    "tuple_type": "must be a list",
    "missing": "must be given",
}
#: Bytes of a file of settings.
_MOST_BYTES = 1_000_000


def _pattern(text: str) -> str:
    Tables.of(text)
    return text


def _method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"{name!r} is not one of the access methods {', '.join(sorted(METHODS))}")
    return name


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


class TableRule(BaseModel):
    """`[[tool.twindex.rules]]`: what may be proposed for some tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Patterns over schema and table, such as `audit.*`.
    tables: Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(min_length=1)]
    #: False forbids every proposal.
    propose: bool = True
    #: Limit of all indexes of a table, those that exist or are declared included.
    most_indexes: Annotated[int, Field(ge=0)] | None = None
    #: Limit of the bytes of all proposals of a table.
    budget: Annotated[int, BeforeValidator(_size), Field(ge=0)] | None = None
    #: Access methods that may be proposed; None means any.
    methods: tuple[Annotated[str, AfterValidator(_method)], ...] | None = None
    #: Columns that no proposal may hold.
    without_columns: tuple[str, ...] = ()
    #: Why: repeated wherever the rule refuses something.
    reason: str | None = None

    def holds(self, table: QualifiedName) -> bool:
        """Say whether it is about a table."""
        return any(Tables.of(each).match(table) for each in self.tables)


class HealthSuppression(BaseModel):
    """`[[tool.twindex.suppressions]]`: a finding about the database that is known, and why it is not to be reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Code or short name of the rule.
    code: str
    #: Pattern over the object as findings name it, quoted and qualified, such as `public.order_*`.
    object: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    #: The last day on which it holds; None for always.
    until: date | None = None


class Config(BaseModel):
    """`[tool.twindex]`, paths relative to the pyproject.toml they stand in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: Path = Path("index_specs")
    alembic: Path = Path("alembic.ini")
    #: Where a development cluster is kept when no database is named anywhere.
    development: Path = Path(".twindex")
    #: Codes of the hazards that no revision may have.
    refuse_hazards: tuple[str, ...] = ()
    rules: tuple[TableRule, ...] = ()
    #: Numbers that decide what `check --health` reports, by rule and name, such as `unused-index.size`.
    thresholds: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = Field(
        default_factory=dict[str, dict[str, float]]
    )
    suppressions: tuple[HealthSuppression, ...] = ()


def load_config(directory: Path | None = None) -> Config:
    """Read `[tool.twindex]` in a directory, by default the current one; without such a table, the defaults."""
    base = directory or Path()
    path = base / "pyproject.toml"
    try:
        document = tomllib.loads(_text(path) if is_there(path) else "")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); fix the file or run in another directory") from None
    except RecursionError:
        raise InputError(
            f"{path} cannot be read (it is nested too deeply); fix the file or run in another directory"
        ) from None
    tools: Any = document.get("tool", {})
    section: Any = cast("dict[str, Any]", tools).get("twindex", {}) if isinstance(tools, dict) else {}
    if not isinstance(section, dict):
        raise InputError(f"{path}: tool.twindex is not a table; write [tool.twindex] and a line per setting")
    try:
        config = Config.model_validate(section)
        if any("\0" in str(value) for value in dict(config).values()):
            raise InputError(f"{path}: [tool.twindex]: a path contains a NUL; specify another")
    except ValidationError as error:
        raise InputError(f"{path}: [tool.twindex] {_mistake(error)}") from None
    found = {name: base / value for name, value in config if isinstance(value, Path)}
    return config.model_copy(update=found)


def _mistake(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = _MISTAKES.get(first["type"], first["msg"].removeprefix("Value error, "))
    if first["loc"][0] == "rules":
        return f"{where}: {what}; the settings of a rule are {', '.join(TableRule.model_fields)}"
    if first["loc"][0] == "suppressions":
        return f"{where}: {what}; the settings of a suppression are {', '.join(HealthSuppression.model_fields)}"
    if first["loc"][0] == "thresholds":
        return (
            f"{where}: {what}; write [tool.twindex.thresholds.RULE] and a number a line, as twindex explain shows them"
        )
    paths = ", ".join(name for name, field in Config.model_fields.items() if field.annotation is Path)
    return (
        f"{where}: {what}; the settings are {paths}, each a path, refuse_hazards, a list of codes, rules and "
        "suppressions, each a [[tool.twindex.…]], and thresholds"
    )


def configured_url(config: Config, section: str = "alembic") -> str | None:
    """Return DATABASE_URL, else `sqlalchemy.url` of a section of alembic.ini, else None."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_text(config.alembic) if is_there(config.alembic) else "", str(config.alembic))
        url = parser.get(section, "sqlalchemy.url", fallback="")
    except (OSError, ValueError, configparser.Error) as error:
        # What stands on the line may be a password, and configparser quotes it.
        reason = error.strerror if isinstance(error, OSError) else _without_lines(error)
        raise InputError(f"{config.alembic} cannot be read ({reason}); fix it") from None
    return url.replace("%%", "%") or None


def _text(path: Path) -> str:
    """Read a file of settings, a regular one of a bounded size; raises OSError and ValueError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait for a writer
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("not a regular file")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def _without_lines(error: Exception) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} precedes the first [section]"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]} is not a setting" if error.errors else "not a configuration file"
    return str(error)
