"""The registry: every rule that any command prints, by code; docs/rules/ has a page for each and lists them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from analyzer.checks.database import (
    collations,
    column_order,
    foreign_keys,
    hot_updates,
    index_space,
    index_state,
    keys,
    maintenance,
    partition_indexes,
    selectivity,
    table_scans,
    unnamed_tables,
    unneeded_indexes,
    vector_indexes,
)
from analyzer.checks.health_rule import HealthRule
from analyzer.checks.rule import Rule
from analyzer.checks.spec import (
    expressions,
    methods,
    names,
    operator_classes,
    overlap,
    partitions,
    statistics,
    usefulness,
    vectors,
    volatility,
)
from analyzer.checks.spec.sqlstates import OTHER
from analyzer.checks.workload import counters
from analyzer.checks.workload import statements as recorded_statements
from analyzer.errors import InputError

UNREADABLE = Rule(code="TX100", name="unreadable", severity="error", title="spec file is not valid YAML, or not a spec")
DECLARED_TWICE = Rule(
    code="TX126",
    name="declared-twice",
    severity="error",
    title="two specs have the same name",
    sqlstates=("42P07", "42710"),
)
DECLARED_IN_MODEL = Rule(
    code="TX127",
    name="declared-in-model",
    severity="error",
    title="index is declared in a SQLAlchemy model and in a spec",
)
REFUSED = Rule(
    code=OTHER, name="rejected-by-server", aliases=("refused",), severity="error",
    title="server rejects the spec for a reason that no other rule names",
    sqlstates=("42883", "22P02"), decided_by_server=True,
)  # fmt: skip
BAD_SUPPRESSION = Rule(
    code="TX190",
    name="suppression-malformed",
    severity="error",
    title="suppression names no known rule, gives no reason, or has an invalid date",
)
UNUSED_SUPPRESSION = Rule(
    code="TX290", name="suppression-unused", severity="warning", title="suppression suppresses nothing"
)
EXPIRED_SUPPRESSION = Rule(
    code="TX291", name="suppression-expired", severity="warning", title="suppression is past its date"
)


#: What `twindex check` says about a database and its specs.
DRIFT_RULES = (
    Rule(code="TX301", name="missing-index", severity="error", title="declared index does not exist"),
    Rule(code="TX302", name="different-definition", severity="error", title="index definition differs from its spec"),
    Rule(code="TX303", name="invalid-index", severity="error", title="declared index is INVALID and serves no query"),
    Rule(
        code="TX304", name="unmanaged-index", severity="error",
        title="index is named by no spec, on a table with `manage: all`",
    ),
    Rule(code="TX305", name="retired-index", severity="error", title="retired index still exists"),
    Rule(code="TX306", name="different-comment", severity="error", title="index comment differs from its spec"),
    Rule(code="TX307", name="different-tablespace", severity="error", title="index tablespace differs from its spec"),
    Rule(
        code="TX308", name="different-statistics", severity="error",
        title="statistics target of an expression differs from its spec",
    ),
    Rule(code="TX309", name="renamed-index", severity="error", title="declared index exists under another name"),
    Rule(
        code="TX310", name="incomparable-index", aliases=("contradiction",), severity="error",
        title="spec contradicts the database, or the server rejects it",
    ),
    Rule(
        code="TX313", name="missing-statistics", kind="statistics", severity="error",
        title="declared statistics object does not exist",
    ),
    Rule(
        code="TX314", name="different-statistics-definition", kind="statistics", severity="error",
        title="definition of a statistics object differs from its spec",
    ),
    Rule(
        code="TX315", name="unmanaged-statistics", kind="statistics", severity="error",
        title="statistics object is named by no spec, on a table with `manage: all`",
    ),
    Rule(
        code="TX316", name="retired-statistics", kind="statistics", severity="error",
        title="retired statistics object still exists",
    ),
    Rule(
        code="TX317", name="different-statistics-target", kind="statistics", severity="error",
        title="target of a statistics object differs from its spec",
    ),
    Rule(
        code="TX318", name="renamed-statistics", kind="statistics", severity="error",
        title="declared statistics object exists under another name",
    ),
    Rule(
        code="TX319", name="leftover-index", severity="error",
        title="index was left by an interrupted build, replacement or drop",
    ),
    Rule(code="TX320", name="kept-index", severity="info", title="replaced index is kept for a while"),
)  # fmt: skip
#: What `twindex check` says about Alembic's env.py.
PLUGIN_MISSING = Rule(
    code="TX311", name="autogenerate-plugin-missing", aliases=("comparison-off",), severity="warning",
    title="env.py does not import the plugin, so autogenerate would drop the indexes of the specs",
)  # fmt: skip
TRANSACTION_OPEN = Rule(
    code="TX312", name="transaction-open", severity="warning",
    title="env.py hands Alembic a connection in a transaction",
)  # fmt: skip
ENVIRONMENT_RULES = (PLUGIN_MISSING, TRANSACTION_OPEN)
#: What `twindex verify` says about a deploy.
REGRESSION = Rule(code="TX901", name="regression", severity="warning", title="statement is slower after the deploy")


def _by_code(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    return {rule.code: rule for rule in sorted(rules, key=lambda rule: rule.code)}


#: What `twindex lint` says about specs.
LINT_RULES = _by_code(
    (
        UNREADABLE, *volatility.RULES, *expressions.RULES, *methods.RULES, *names.RULES, *operator_classes.RULES,
        *partitions.RULES, *vectors.RULES, *overlap.RULES, *usefulness.RULES, *statistics.RULES,
        DECLARED_TWICE, DECLARED_IN_MODEL, REFUSED, BAD_SUPPRESSION, UNUSED_SUPPRESSION, EXPIRED_SUPPRESSION,
    )
)  # fmt: skip
#: What `twindex check --health` and `twindex report` say about a database.
HEALTH_RULES: Mapping[str, HealthRule] = {
    rule.code: rule
    for module in (
        unneeded_indexes,
        index_state,
        vector_indexes,
        foreign_keys,
        table_scans,
        hot_updates,
        maintenance,
        keys,
        unnamed_tables,
        column_order,
        index_space,
        selectivity,
        partition_indexes,
        collations,
        recorded_statements,
        counters,
    )
    for rule in module.RULES
}
#: Every rule of every command.
RULES = _by_code((*LINT_RULES.values(), *DRIFT_RULES, *ENVIRONMENT_RULES, *HEALTH_RULES.values(), REGRESSION))

#: Rules about the files and their comments; they cannot be suppressed.
ABOUT_FILES = frozenset({UNREADABLE.code, BAD_SUPPRESSION.code, UNUSED_SUPPRESSION.code, EXPIRED_SUPPRESSION.code})

_BY_NAME = {name.lower(): rule for rule in RULES.values() for name in (rule.code, rule.name, *rule.aliases)}


def find_rule(name: str) -> Rule | None:
    """Return the rule of a code, a short name or a former one; None for an unknown name."""
    return _BY_NAME.get(name.lower())


def page(name: str) -> str:
    """Return the page of a rule, Markdown; raises InputError for a name that no rule has."""
    rule = find_rule(name)
    if rule is None:
        raise InputError(f"there is no rule {name}; twindex explain lists them all")
    return (page_dir() / rule.page).read_text(encoding="utf-8")


def pages(codes: Iterable[str]) -> dict[str, str]:
    """Return the pages of these rules, by code."""
    return {code: page(code) for code in codes if code in RULES}


def page_dir() -> Path:
    """Find the pages: a checkout's own, else the ones in the installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "docs" / "rules").is_dir():
        return checkout / "docs" / "rules"
    return package / "rules"
