"""Run a project's env.py as `alembic upgrade --sql` does, without a connection, to learn what it configures."""

import ast
import contextlib
import logging
import runpy
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from alembic import context
from alembic.config import CommandLine, Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, MetaData, event

from analyzer import stdout
from analyzer.console import without_passwords
from analyzer.errors import InputError
from analyzer.migrate.deploy.session import LOG
from analyzer.migrate.plan.environment import KEYWORDS, Environment
from analyzer.paths import is_file
from analyzer.visible import one_line

#: Name of the keyword of context.configure() that says where the specs are.
INDEX_SPECS = "index_specs"


class _Recorder(EnvironmentContext):
    """Takes what env.py configures, and runs no migration."""

    def __init__(self, config: Config, script: ScriptDirectory) -> None:
        super().__init__(config, script, as_sql=True)
        self.configured: list[Mapping[str, Any]] = []

    def configure(self, *args: Any, **options: Any) -> None:
        self.configured.append(options)
        super().configure(*args, **(options | {"connection": None, "url": None, "dialect_name": "postgresql"}))

    def begin_transaction(self) -> Any:
        return contextlib.nullcontext()

    def run_migrations(self, **kw: Any) -> None:
        del kw


# `from alembic import context` in env.py is whichever environment is entered, of the classes that say so.
_Recorder.create_module_class_proxy(context.__dict__, {})


@contextlib.contextmanager
def _offline() -> Generator[None]:
    """Let no engine connect, neither Alembic log nor env.py configure logging, and stay in this directory."""

    def refuse(*_: object) -> NoReturn:
        raise CommandError("it connects to a database")

    threshold = logging.root.manager.disable
    event.listen(Engine, "do_connect", refuse)
    logging.disable(logging.INFO)
    try:
        with patch("logging.config.fileConfig"), patch("logging.config.dictConfig"), contextlib.chdir(Path()):
            yield
    finally:
        logging.disable(threshold)
        event.remove(Engine, "do_connect", refuse)


def alembic_config(file: Path, section: str | None = None, x: Sequence[str] = ()) -> Config:
    """Return the configuration of a project as `alembic -n SECTION -x X … upgrade --sql` has it; raises InputError."""
    if not is_file(file):
        raise InputError(f"{file} does not exist; run in the project's directory or use --config FILE")
    name = section or "alembic"
    words = ["--quiet", "--name", name, *(word for each in x for word in ("-x", each)), "upgrade", "--sql", "head"]
    options = CommandLine("alembic").parser.parse_args(words)
    config = Config(file, toml_file=file.parent / "pyproject.toml", ini_section=name, cmd_opts=options)
    if section is not None and not config.file_config.has_section(section):
        raise InputError(f"{file} has no section [{section}]; name another with -n")
    return config


def read_environment(config: Config, specs: Path) -> Environment:
    """Return the rules of the project, of several databases those of the one whose `index_specs` are these.

    What env.py does not allow to be known is said in `unknown`.
    """
    try:
        script = ScriptDirectory.from_config(config)
        path = Path(script.env_py_location)
        recorder = _Recorder(config, script)
        with stdout.diverted(), _offline(), recorder:
            names = runpy.run_path(str(path), run_name="env_py")
        online = _online(path, names)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the project's own code, and what it raises
        reason = str(error) if isinstance(error, CommandError) else f"{type(error).__name__}: {error}"
        told = one_line(without_passwords(reason))
        return Environment(unknown=f"env.py cannot be run offline, as alembic upgrade --sql does: {told}")
    own = [each for each in recorder.configured if Path(each.get(INDEX_SPECS) or "").resolve() == specs.resolve()]
    chosen = own or recorder.configured
    if len(chosen) != 1:
        return Environment(unknown=f"env.py calls context.configure() {len(chosen)} times offline; once is understood")
    options = dict(chosen[0])
    if isinstance(metadata := options.get("target_metadata"), MetaData) and not metadata.tables:
        LOG.warning("target_metadata of env.py has no tables; import the modules of the models there")
    return Environment.of(options | {name: value for name, value in online if not options.get(name)})


def _online(path: Path, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what the calls that did not run are given as the name of a global variable, or as a constant."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "configure":
            for keyword in call.keywords:
                if keyword.arg in KEYWORDS and isinstance(keyword.value, ast.Constant):
                    yield keyword.arg, keyword.value.value
                elif keyword.arg in KEYWORDS and isinstance(keyword.value, ast.Name) and keyword.value.id in names:
                    yield keyword.arg, names[keyword.value.id]
