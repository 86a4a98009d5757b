"""Which rule a server's refusal is about."""

import re

from analyzer.checks.rule import Subject
from analyzer.checks.spec.operator_classes import HNSW_ONLY
from analyzer.errors import RejectedError
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS

#: A refusal that no rule names.
OTHER = "TX128"

#: SQLSTATE, part of the message (of servers that speak English; the twin does), rule; the first that fits counts.
_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("42P17", r"IMMUTABLE", "TX101"),
    ("42P17", r"including column", "TX107"),
    ("0A000", r"unique indexes", "TX106"),
    ("0A000", r"included columns", "TX107"),
    ("0A000", r"ASC/DESC|NULLS FIRST/LAST", "TX108"),
    ("0A000", r"multicolumn", "TX109"),
    ("0A000", r"set-returning|subquery", "TX103"),
    ("0A000", r"system columns", "TX113"),
    ("0A000", r"partition", "TX117"),
    ("42803", r"", "TX103"),
    ("42P20", r"", "TX103"),
    ("42P01", r"FROM-clause", "TX103"),
    ("42601", r"", "TX104"),
    ("42804", r"argument of WHERE", "TX105"),
    ("42804", r"operator class", "TX111"),
    ("42804|42704", r"collation", "TX115"),
    ("42704", r"no default operator class for access method \"hnsw\"", "TX121"),
    ("42704", r"no default operator class", "TX110"),
    ("42704", r"operator class", "TX111"),
    ("42704", r"access method|tablespace|type", "TX120"),
    ("22023", r"dimensions", "TX122"),
    ("54000", r"dimensions", "TX122"),
    ("22023", r"ef_construction|\"m\"|\"lists\"", "TX123"),
    ("22023", r"parameter|option|value", "TX112"),
    ("42703|42P01|3F000|42809|42501|54011", r"", "TX113"),
)


def rule_of(refusal: RejectedError, subject: Subject) -> str:
    """Return the code of the rule a refusal is about."""
    for states, pattern, code in _PATTERNS:
        if refusal.sqlstate in states.split("|") and re.search(pattern, refusal.message):
            return _refined(code, refusal, subject)
    return OTHER


def _refined(code: str, refusal: RejectedError, subject: Subject) -> str:
    if code == "TX111" and (named := re.search(r'operator class "(\w+)" does not exist', refusal.message)):
        if named[1] in HNSW_ONLY and subject.index.method == "ivfflat":
            return "TX124"
        if _lacks_extension(named[1], subject):
            return "TX120"
    if code == "TX112" and subject.index.method in VECTOR_METHODS:
        return "TX123"
    return code


def _lacks_extension(opclass: str, subject: Subject) -> bool:
    needed = METHODS[subject.index.method].operator_classes.get(opclass)
    return needed is not None and subject.has_extension(needed) is False
