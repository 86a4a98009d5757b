"""All rules, by code; docs/rules/ has a page for each."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

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
from analyzer.errors import InputError

UNREADABLE = Rule(code="TX100", name="unreadable", severity="error", title="a spec file that cannot be read as one")
DECLARED_TWICE = Rule(
    code="TX126", name="declared-twice", severity="error", title="two specs of one name", sqlstates=("42P07",)
)
DECLARED_IN_MODEL = Rule(
    code="TX127", name="declared-in-model", severity="error", title="an index declared in a model and in a spec"
)
REFUSED = Rule(
    code=OTHER, name="refused", severity="error", title="a spec the server refuses for a reason no other rule names",
    sqlstates=("42883", "22P02"), decided_by_server=True,
)  # fmt: skip
BAD_SUPPRESSION = Rule(
    code="TX190", name="suppression-malformed", severity="error", title="a suppression without a reason or a known rule"
)
UNUSED_SUPPRESSION = Rule(
    code="TX290", name="suppression-unused", severity="warning", title="a suppression that suppresses nothing"
)
EXPIRED_SUPPRESSION = Rule(
    code="TX291", name="suppression-expired", severity="warning", title="a suppression past its date"
)

RULES: Mapping[str, Rule] = {
    rule.code: rule
    for rule in sorted(
        (
            UNREADABLE, *volatility.RULES, *expressions.RULES, *methods.RULES, *names.RULES, *operator_classes.RULES,
            *partitions.RULES, *vectors.RULES, *overlap.RULES, *usefulness.RULES, *statistics.RULES,
            DECLARED_TWICE, DECLARED_IN_MODEL, REFUSED, BAD_SUPPRESSION, UNUSED_SUPPRESSION, EXPIRED_SUPPRESSION,
        ),
        key=lambda rule: rule.code,
    )
}  # fmt: skip

#: Rules about the files and their comments; nobody can suppress what they say.
ABOUT_FILES = frozenset({UNREADABLE.code, BAD_SUPPRESSION.code, UNUSED_SUPPRESSION.code, EXPIRED_SUPPRESSION.code})


def page(code: str) -> str:
    """Return the page of a rule, Markdown; raises InputError for a code nobody has."""
    wanted = code.upper()
    found = next((rule.code for rule in RULES.values() if wanted in (rule.code, rule.name.upper())), wanted)
    path = page_dir() / f"{found}.md"
    if not re.fullmatch(r"TX\d{3}", found) or not path.is_file():
        raise InputError(f"there is no rule {code}; twindex explain lists them all")
    return path.read_text(encoding="utf-8")


def pages(codes: Iterable[str]) -> dict[str, str]:
    """Return the pages there are of these rules, by code."""
    found = {code: page_dir() / f"{code}.md" for code in codes}
    return {code: path.read_text(encoding="utf-8") for code, path in found.items() if path.is_file()}


def overview() -> Iterator[tuple[str, str, str, str]]:
    """Yield code, severity, name and title of every rule: lint's from the table, the others' from their pages."""
    for rule in RULES.values():
        yield rule.code, rule.severity, rule.name, rule.title
    for path in sorted(page_dir().glob("TX*.md")):
        if path.stem not in RULES:
            heading, _, severity, _, title, *_ = path.read_text(encoding="utf-8").splitlines()
            yield path.stem, severity.strip("*"), heading.split()[-1], title


def page_dir() -> Path:
    """Find the pages: a checkout's own, else the ones in the installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "docs" / "rules").is_dir():
        return checkout / "docs" / "rules"
    return package / "rules"
