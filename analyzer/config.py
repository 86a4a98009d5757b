"""The project's settings: `[tool.twindex]` of pyproject.toml, and the database they point at."""

import configparser
import os
import tomllib
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from analyzer.errors import InputError


class Config(BaseModel):
    """`[tool.twindex]`, paths relative to the pyproject.toml they stand in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: Path = Path("index_specs")
    alembic: Path = Path("alembic.ini")
    #: Where a development cluster is kept when no database is named anywhere.
    development: Path = Path(".twindex")


def load_config(directory: Path | None = None) -> Config:
    """Read `[tool.twindex]` in a directory, by default the current one; defaults where there is none."""
    base = directory or Path()
    path = base / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); mend it or run elsewhere") from None
    tools: Any = document.get("tool", {})
    section: Any = cast("dict[str, Any]", tools).get("twindex", {}) if isinstance(tools, dict) else {}
    if not isinstance(section, dict):
        raise InputError(f"{path}: tool.twindex is not a table; write [tool.twindex] and a line per setting")
    try:
        config = Config.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        known = ", ".join(Config.model_fields)
        raise InputError(f"{path}: [tool.twindex] {where}: {what}; the settings are {known}, each a path") from None
    return Config(specs=base / config.specs, alembic=base / config.alembic, development=base / config.development)


def configured_url(config: Config) -> str | None:
    """Return DATABASE_URL, else `sqlalchemy.url` of alembic.ini, else None."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    parser = configparser.RawConfigParser()
    try:
        parser.read(config.alembic, encoding="utf-8")
        url = parser.get("alembic", "sqlalchemy.url", fallback="")
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise InputError(f"{config.alembic} cannot be read ({' '.join(str(error).split())}); mend it") from None
    return url.replace("%%", "%") or None
