"""TX311 and TX312: whether Alembic's env.py lets autogenerate see the specs, and index steps run. By its text alone."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from analyzer.checks.registry import ENVIRONMENT_RULES, PLUGIN_MISSING, TRANSACTION_OPEN
from analyzer.checks.rule import Rule
from analyzer.documents.findings import Fingerprints, RuleCount, SpecFinding
from analyzer.migrate.alembic_plugin import NAME
from analyzer.paths import is_file

_PLUGIN = "analyzer.migrate.alembic_plugin"
_WILDCARD = "alembic.autogenerate.*"
#: What begins a transaction when it is called on a connection.
_RUNS = frozenset({"execute", "exec_driver_sql", "scalar", "scalars", "begin", "begin_twophase"})
_ENDS = frozenset({"commit", "rollback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCheck:
    """What looking at the environment gave."""

    findings: tuple[SpecFinding, ...] = ()
    checks: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    rule: Rule
    line: int
    message: str
    rewrite: str


def examine_environment(config: Path, section: str | None = None) -> EnvironmentCheck:
    """Look at the env.py that a section of an Alembic file names; what cannot be read is skipped, and why is said."""
    try:
        project = Config(config, toml_file=config.parent / "pyproject.toml", ini_section=section or "alembic")
        script = ScriptDirectory.from_config(project) if is_file(config) else None
    except CommandError as error:
        return _skipped(" ".join(str(error).split()))
    if script is None:
        return _skipped(f"{config} does not exist in this directory")
    path = Path(script.env_py_location)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        return _skipped(f"{path} cannot be read: {error}")
    hits = (*_unseen(tree, _imported_by_revision(script)), *_in_transaction(tree))
    prints = Fingerprints()
    return EnvironmentCheck(
        findings=tuple(_finding(hit, path, prints) for hit in hits),
        checks=tuple(_count(rule, flagged=sum(hit.rule is rule for hit in hits)) for rule in ENVIRONMENT_RULES),
    )


def _unseen(tree: ast.Module, imported_elsewhere: bool) -> Iterator[_Hit]:  # noqa: FBT001 - one private caller
    if not imported_elsewhere and not any(_imports_plugin(node) for node in ast.walk(tree)):
        yield _Hit(
            rule=PLUGIN_MISSING,
            line=1,
            message="neither env.py nor a revision imports twindex's plugin: alembic revision --autogenerate would "
            "drop every index that only a spec declares",
            rewrite=f"import {_PLUGIN}  # noqa: F401",
        )
    for keyword in (node for node in ast.walk(tree) if isinstance(node, ast.keyword)):
        if keyword.arg == "autogenerate_plugins" and isinstance(keyword.value, ast.List | ast.Tuple):
            listed = {each.value for each in keyword.value.elts if isinstance(each, ast.Constant)}
            if not listed & {_WILDCARD, NAME} or f"~{NAME}" in listed:
                yield _Hit(
                    rule=PLUGIN_MISSING,
                    line=keyword.value.lineno,
                    message="autogenerate_plugins excludes the plugin of twindex",
                    rewrite=f'add "{_WILDCARD}" or "{NAME}"',
                )


def _imports_plugin(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name == _PLUGIN for name in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module == _PLUGIN or any(f"{node.module}.{name.name}" == _PLUGIN for name in node.names)
    return False


def _imported_by_revision(script: ScriptDirectory) -> bool:
    """Alembic loads every revision before it compares, and what twindex wrote imports the plugin."""
    places = script.version_locations or (Path(script.dir) / "versions",)
    found = (path for place in places for path in sorted(Path(place).rglob("*.py")))
    return any(_PLUGIN in path.read_text(encoding="utf-8", errors="replace") for path in found)


def _in_transaction(tree: ast.Module) -> Iterator[_Hit]:
    for call, name in _configured(tree):
        open_since: ast.Call | None = None
        for node in sorted(_on_connection(tree, name), key=lambda node: (node.lineno, node.col_offset)):
            if node.lineno >= call.lineno:
                break
            if open_since is None or _is_method_of(open_since, name):  # the block of engine.begin() outlasts commit()
                open_since = None if _method(node) in _ENDS else node
        if open_since is not None:
            yield _Hit(
                rule=TRANSACTION_OPEN,
                line=open_since.lineno,
                message=f"`{ast.unparse(open_since)[:60]}` starts a transaction before context.configure(), in which "
                "no index can be built concurrently; alembic upgrade would fail at the first index step",
                rewrite="use engine.connect() instead of begin(), and after a statement before configure() also "
                "connection.commit()",
            )


def _configured(tree: ast.Module) -> Iterator[tuple[ast.Call, str | None]]:
    """Yield each `context.configure(connection=…)`, with the name of the connection when it has one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _method(node) == "configure":
            for keyword in node.keywords:
                if keyword.arg == "connection":
                    yield node, keyword.value.id if isinstance(keyword.value, ast.Name) else None


def _on_connection(tree: ast.Module, name: str | None) -> Iterator[ast.Call]:
    """Yield calls on the connection, and the begin() that made it; of one without a name, whatever begins."""
    if name is None:
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        yield from (call for call in calls if _method(call) in {"begin", "begin_twophase"})
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_method_of(node, name) and _method(node) in _RUNS | _ENDS:
            yield node
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            made = node.context_expr
            if node.optional_vars.id == name and isinstance(made, ast.Call) and _method(made) == "begin":
                yield made


def _is_method_of(call: ast.Call, name: str | None) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id == name


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _finding(hit: _Hit, path: Path, prints: Fingerprints) -> SpecFinding:
    return SpecFinding(
        code=hit.rule.code,
        severity=hit.rule.severity,
        object=path.name,
        message=hit.message,
        rewrite=hit.rewrite,
        file=path.as_posix(),
        line=hit.line,
        rule=hit.rule.name,
        fingerprint=prints.of(hit.rule.code, path.name),
    )


def _skipped(reason: str) -> EnvironmentCheck:
    return EnvironmentCheck(checks=tuple(_count(rule, because=(reason,)) for rule in ENVIRONMENT_RULES))


def _count(rule: Rule, *, flagged: int = 0, because: tuple[str, ...] = ()) -> RuleCount:
    return RuleCount(
        code=rule.code,
        title=rule.title,
        examined=0 if because else 1,
        skipped=len(because),
        skipped_because=because,
        flagged=flagged,
    )
