"""The project's settings: `[tool.twindex]` of pyproject.toml, and the database they point at."""

import configparser
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from analyzer.errors import InputError
from analyzer.paths import is_there

_MISTAKES = {
    "extra_forbidden": "unknown setting",
    "path_type": "must be a path in quotes",
    "tuple_type": "must be a list",
}
#: Bytes of a file of settings.
_MOST_BYTES = 1_000_000


class Config(BaseModel):
    """`[tool.twindex]`, paths relative to the pyproject.toml they stand in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: Path = Path("index_specs")
    alembic: Path = Path("alembic.ini")
    #: Where a development cluster is kept when no database is named anywhere.
    development: Path = Path(".twindex")
    #: Codes of the hazards that no revision may have.
    refuse_hazards: tuple[str, ...] = ()


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
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = _MISTAKES.get(first["type"], first["msg"])
        paths = ", ".join(name for name in Config.model_fields if name != "refuse_hazards")
        known = f"the settings are {paths}, each a path, and refuse_hazards, a list of codes"
        raise InputError(f"{path}: [tool.twindex] {where}: {what}; {known}") from None
    found = {name: base / value for name, value in config if isinstance(value, Path)}
    return config.model_copy(update=found)


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
