"""How a deploy goes about its steps: `twindex_…` in alembic.ini, or for one run `alembic -x twindex_…=value`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError

from analyzer.migrate.deploy.target import DeployError
from analyzer.postgres.intervals import parse_interval

PREFIX = "twindex_"
_TIMEOUT = re.compile(r"0*[1-9]\d* ?(ms|s|min|h)?")
#: Largest table whose index is built plainly: its writers wait for about as long as this takes to read.
PLAIN_BUILD_BYTES = 16 * 1024**2


def _interval(value: object) -> object:
    return parse_interval(value) if isinstance(value, str) else value


def _limits(value: str) -> str:
    if _TIMEOUT.fullmatch(value) is None:
        raise ValueError("must be a time greater than zero, such as 500ms, 5s or 2min")
    return value


Interval = Annotated[timedelta, BeforeValidator(_interval)]
#: As PostgreSQL reads it; zero would be no limit.
Timeout = Annotated[str, AfterValidator(_limits)]


class Options(BaseModel):
    """The options of a deploy, by their names without `twindex_`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What swaps, attachments and drops wait for locks in each attempt; where given, the revision's own yields to it.
    lock_timeout: Timeout = "5s"
    #: How often such a step is tried before the deploy gives up.
    lock_attempts: int = Field(default=10, ge=1)
    #: Longest pause between two attempts; pauses grow from half a second, by chance to spread deployers.
    lock_pause_seconds: float = Field(default=15.0, ge=0, allow_inf_nan=False)
    #: How long to wait for another deploy of the same database.
    deploy_wait_seconds: float = Field(default=600.0, ge=0)
    #: Largest table whose index is built plainly, not concurrently; 0 for an empty one.
    plain_build: ByteSize = ByteSize(PLAIN_BUILD_BYTES)
    #: Whether an ivfflat index waits until its table has rows to learn lists from.
    postpone: bool = True
    #: How many tables' independent builds run at the same time.
    jobs: int = Field(default=1, ge=1, le=64)
    #: How far a replica may be behind while an index is built.
    max_lag: Interval | None = None
    #: How many sessions of others may be active on the server while an index is built.
    max_active: int | None = Field(default=None, ge=0)
    #: How long a build waits until neither is exceeded.
    build_wait_seconds: float = Field(default=600.0, ge=0)
    #: `bar` on a terminal and `log` elsewhere, unless said.
    progress: Literal["auto", "bar", "log", "off"] = "auto"
    #: Whether the statement of who blocks a deploy stays out of what is shown.
    private: bool = False


def read_options(context: MigrationContext) -> Options:
    """Collect the options of a run.

    Raises DeployError for one that there is not, or that cannot be read.
    """
    environment = context.environment_context
    return (
        Options()
        if environment is None
        else options_of(environment.config, environment.get_x_argument(as_dictionary=True))
    )


def options_of(config: Config, arguments: Mapping[str, str | list[str]]) -> Options:
    """Collect the options of alembic.ini and those of `-x`; raises DeployError as `read_options` does."""
    given: dict[str, str] = {}
    for name in Options.model_fields:
        if (value := config.get_main_option(PREFIX + name)) is not None:
            given[name] = value
    given |= {key.removeprefix(PREFIX): str(value) for key, value in arguments.items() if key.startswith(PREFIX)}
    try:
        options = Options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(PREFIX + each for each in Options.model_fields)
            raise DeployError(f"unknown option {name}; the options are {known}") from None
        message = first["msg"].removeprefix("Value error, ")
        raise DeployError(f"the option {name}={first['input']}: {message}; fix alembic.ini or -x") from None
    quiet = getattr(config.cmd_opts, "quiet", False)
    return options.model_copy(update={"progress": "off"}) if quiet and "progress" not in given else options
