"""TX130 to TX135, TX217 and TX218: what a spec of extended statistics may say."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.checks.rule import NEEDS_TABLE, Answer, Known, Rule, Subject, Unknown, Violation
from analyzer.checks.spec.names import similar_column, unqualified
from analyzer.checks.spec.volatility import RULES as VOLATILITY
from analyzer.documents.snapshot import Relation
from analyzer.errors import InputError, RejectedError, TwinLacksError
from analyzer.objects.definition import D
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.statistics import STATISTICS_KINDS, StatisticsDef
from analyzer.postgres.columns import SYSTEM_COLUMNS, UNORDERED_TYPES
from analyzer.postgres.identifiers import QualifiedName
from analyzer.specs.diff import Canonical
from analyzer.specs.existing import existing_statistics
from analyzer.specs.file import DeclaredSpec
from analyzer.specs.index import IndexSpec, KeySpec
from analyzer.specs.statistics import StatisticsSpec
from analyzer.specs.tolerant import Entry, Source

#: STATS_MAX_DIMENSIONS.
MOST_KEYS = 8
_TABLES = frozenset({"r", "p", "m", "f"})

#: What the server refuses for a reason that no other rule names.
REFUSED_STATISTICS = "TX134"
#: What it answers to an index on an expression that is not IMMUTABLE.
_NOT_IMMUTABLE = "42P17"
#: SQLSTATE, part of the message, rule; the first that fits a refusal counts.
_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("42P17|54011|42701", r"", "TX130"),
    ("0A000", r"single expression", "TX133"),
    ("0A000", r"system columns|virtual generated", "TX131"),
    ("0A000|42704", r"operator class", "TX132"),
    ("42P01", r"FROM-clause", "TX134"),
    ("42703|42P01|3F000|42809|42501", r"", "TX131"),
    ("42710", r"", "TX135"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsSubject:
    """One declared statistics object as the rules see it."""

    entry: Entry[StatisticsSpec]
    definition: StatisticsDef
    #: None when there is only the text.
    known: Known | None = None
    #: What the server made of it: its own definition, or why it did not; None when it was not asked.
    built: StatisticsDef | RejectedError | TwinLacksError | None = None
    #: Why the server calls an expression not IMMUTABLE, by position; None when it was not asked.
    not_immutable: Mapping[int, str] | None = None
    #: The other declared statistics of the table that are to be created.
    others: tuple["StatisticsSubject", ...] = field(default=(), repr=False)
    #: Names of all declared statistics, whatever their state.
    declared: frozenset[QualifiedName] = frozenset()
    #: Whether a revision drops what no spec of the table declares.
    manages_all: bool = False

    @property
    def spec(self) -> StatisticsSpec:
        """Return the spec as written."""
        return self.entry.declared.spec

    @property
    def is_wanted(self) -> bool:
        """Say whether it is to be created."""
        return self.spec.state in ("proposed", "approved")

    @property
    def printed(self) -> StatisticsDef:
        """Return the server's own text of it, when it was built."""
        return self.built if isinstance(self.built, StatisticsDef) else self.definition

    @property
    def relation(self) -> Relation | None:
        """Return the table, when it is known."""
        wanted = self.definition.schema, self.definition.table
        return self.known.catalog.relations.get(wanted) if self.known is not None else None


def statistics_subjects(
    sources: Sequence[Source], known: Known | None, build: Canonical | None
) -> tuple[StatisticsSubject, ...]:
    """Return the declared statistics of files, created on the twin where there is one."""
    found: list[StatisticsSubject] = []
    entries = [(source, entry.declared, entry) for source in sources for entry in source.statistics]
    names = frozenset(QualifiedName(declared.schema, declared.spec.name) for _, declared, _ in entries)
    for source, declared, entry in entries:
        definition = declared.spec.definition(declared.schema, declared.table)
        subject = StatisticsSubject(
            entry=entry, definition=definition, known=known, declared=names, manages_all=source.manages_all
        )
        if build is not None and subject.is_wanted:
            probes = [_created(_probe(definition, text), build) for text in definition.expressions]
            refused = {
                number: each.message
                for number, each in enumerate(probes)
                if isinstance(each, RejectedError) and each.sqlstate == _NOT_IMMUTABLE
            }
            subject = replace(subject, built=_created(definition, build), not_immutable=refused)
        found.append(subject)
    return tuple(
        replace(each, others=tuple(other for other in found if other is not each and other.is_wanted)) for each in found
    )


def _created(definition: D, build: Canonical) -> D | RejectedError | TwinLacksError:
    try:
        return build(definition)
    except (RejectedError, TwinLacksError) as error:
        return error
    except InputError as error:  # an expression that never reached the server
        return RejectedError(statement=definition.name, sqlstate="42601", message=str(error))


def refused_rule(subject: StatisticsSubject) -> str | None:
    """Return the code of the rule that the server's refusal is about; None when it did not refuse."""
    refusal = subject.built
    if not isinstance(refusal, RejectedError):
        return None
    for states, pattern, code in _PATTERNS:
        if refusal.sqlstate in states.split("|") and re.search(pattern, refusal.message):
            return code
    return REFUSED_STATISTICS


def _keys(subject: StatisticsSubject) -> Iterator[Answer]:
    wanted = subject.definition
    number = len(wanted.columns) + len(wanted.expressions)
    if number > MOST_KEYS:
        yield Violation(message=f"{number} columns and expressions; statistics take at most {MOST_KEYS}")
    if not number or (number == 1 and wanted.columns):
        what = f"the column {wanted.columns[0]} alone" if number else "no column"
        rewrite = "name the columns whose values depend on each other; ANALYZE knows each by itself already"
        yield Violation(message=f"{what}; statistics take two columns, or one expression", rewrite=rewrite)
    for where, names in (("columns", wanted.columns), ("expressions", wanted.expressions)):
        for name, count in Counter(names).items():
            if count > 1:
                yield Violation(message=f"{name} stands there twice", at=(where, names.index(name)))


def _table(subject: StatisticsSubject) -> Iterator[Answer]:
    wanted, table = subject.definition, subject.definition.qualified_table
    for number, name in enumerate(wanted.columns):
        if name in SYSTEM_COLUMNS:
            yield Violation(message=f"{name} is a system column, which statistics do not take", at=("columns", number))
    if subject.known is None:
        yield NEEDS_TABLE
        return
    relation = subject.relation
    if relation is None:
        message = f"table {table} does not exist"
        yield Violation(message=message, rewrite="create it first, or fix the name")
        return
    if relation.kind not in _TABLES:
        yield Violation(message=f"{table} is a view, which has no statistics", rewrite="declare them on its tables")
        return
    for number, name in enumerate(wanted.columns):
        column = relation.column(name)
        if column is None and name not in SYSTEM_COLUMNS:
            rewrite = similar_column(relation, name) or "fix the name, or move it to expressions:"
            yield Violation(message=f"{table} has no column {name}", at=("columns", number), rewrite=rewrite)
        elif column is not None and column.generated == "v":
            message = f"{name} is a virtual generated column, which statistics do not take"
            yield Violation(message=message, at=("columns", number), rewrite="declare what it is computed from")


def _types(subject: StatisticsSubject) -> Iterator[Answer]:
    known, relation = subject.known, subject.relation
    if known is None or relation is None:
        yield Unknown(reason="requires the default operator classes; use -d URL or --snapshot")
        return
    for number, name in enumerate(subject.definition.columns):
        column = relation.column(name)
        kind = None if column is None else known.catalog.underlying(column.type)
        if kind in UNORDERED_TYPES:
            message = f"{name} is {kind}, which has no default btree operator class"
            rewrite = "make the column jsonb, or declare an expression: data ->> 'name'" if kind == "json" else None
            yield Violation(message=message, at=("columns", number), rewrite=rewrite)


def _kinds(subject: StatisticsSubject) -> Iterator[Answer]:
    wanted = subject.definition
    if subject.spec.kinds and not wanted.columns and len(wanted.expressions) == 1:
        yield Violation(
            message="a single expression takes no kinds: ANALYZE learns of it what it learns of a column",
            at=("kinds",),
            rewrite="remove kinds:, or add what the expression depends on",
        )


def _name(subject: StatisticsSubject) -> Iterator[Answer]:
    wanted, known = subject.definition, subject.known
    there = known.catalog.snapshot.extended_statistics if known is not None else ()
    alike = [each for each in there if (each.schema_name, each.name) == (wanted.schema, wanted.name)]
    if not alike and (short := unqualified(wanted, known)) is not None:
        message = f"the name {wanted.name} is schema-qualified; statistics are in the schema of their table"
        yield Violation(message=message, at=("name",), rewrite=f"name: {short}", fix_keys={"name": short})
    if known is None:
        yield NEEDS_TABLE
        return
    for each in alike:
        if (each.table_schema, each.table) != (wanted.schema, wanted.table):
            table = existing_statistics(each).qualified_table
            message = f"{wanted.qualified_name} is the name of statistics on {table} already"
            yield Violation(message=message, at=("name",), rewrite="choose another name")


def _redundant(subject: StatisticsSubject) -> Iterator[Answer]:
    own = subject.printed
    for other in subject.others:
        where = f"{other.entry.declared.file}:{other.entry.declared.line}"
        # Of two that cover each other the later is named.
        if _covers(other.printed, own) and not (_covers(own, other.printed) and _earlier(subject, other)):
            yield _covered(own, other.printed, where)
    if subject.known is None:
        yield NEEDS_TABLE
        return
    if subject.manages_all:
        return
    found = [existing_statistics(each) for each in subject.known.catalog.snapshot.extended_statistics]
    exists = any(each.definition.full_name == own.full_name for each in found)
    for each in found:
        if (each.table_schema, each.definition.table) != own.full_table:
            continue
        there = subject.known.printed(each.definition)
        # Until there is one of this name, one of the same definition is this one under the name it had.
        is_renamed = not exists and there == own
        stays = each.definition.full_name not in subject.declared and not is_renamed
        if stays and _covers(there, own):
            yield _covered(own, there, "in the database")


def _covers(large: StatisticsDef, small: StatisticsDef) -> bool:
    """Say whether one object has all that another has, and is not filled from fewer rows."""
    if (large.schema, large.table) != (small.schema, small.table) or large.target == 0:
        return False
    if small.target is not None and large.target is not None and large.target < small.target:
        return False
    kinds = set(large.kinds or STATISTICS_KINDS) >= set(small.kinds or STATISTICS_KINDS)
    return kinds and set(large.columns) >= set(small.columns) and set(large.expressions) >= set(small.expressions)


def _earlier(subject: StatisticsSubject, other: StatisticsSubject) -> bool:
    own, theirs = subject.entry.declared, other.entry.declared
    return (str(own.file), own.line) < (str(theirs.file), theirs.line)


def _covered(own: StatisticsDef, other: StatisticsDef, where: str) -> Violation:
    return Violation(
        message=f"{own.name} is covered by {other.name} ({where})", at=("columns",), rewrite="keep one of the two"
    )


def _immutable(subject: StatisticsSubject) -> Iterator[Answer]:
    wanted = subject.definition
    if subject.not_immutable is not None:
        for position, reason in subject.not_immutable.items():
            yield _changes(wanted.expressions[position], position, f" ({reason})")
        return
    for position, text in enumerate(wanted.expressions):
        probe = _as_index(subject, text)
        answers = [answer for rule in VOLATILITY for answer in rule.check(probe)]
        if any(isinstance(answer, Violation) for answer in answers):
            yield _changes(text, position, "")
        yield from (answer for answer in answers if isinstance(answer, Unknown))


def _changes(text: str, position: int, reason: str) -> Violation:
    return Violation(
        message=f"{text} is not IMMUTABLE{reason}: ANALYZE stores values that it no longer has when a query is planned",
        at=("expressions", position),
        rewrite="leave out what depends on the time, the session or chance",
    )


def _as_index(subject: StatisticsSubject, expression: str) -> Subject:
    """Return the index on an expression, of which the rules of indexes say whether it is IMMUTABLE."""
    index, entry = _probe(subject.definition, expression), subject.entry
    spec = IndexSpec(name=index.name, keys=(KeySpec(expression=expression),))
    own = entry.declared
    declared = DeclaredSpec(file=own.file, line=own.line, schema=own.schema, table=own.table, spec=spec)
    as_index = Entry(declared=declared, part=entry.part, last_line=entry.last_line, text=entry.text)
    return Subject(entry=as_index, index=index, known=subject.known)


def _probe(wanted: StatisticsDef, expression: str) -> IndexDef:
    """Return an index on an expression, which a server refuses when it is not IMMUTABLE."""
    return IndexDef(schema=wanted.schema, table=wanted.table, name=wanted.name, keys=(Key(expression=expression),))


RULES = (
    Rule(
        code="TX130", name="statistics-keys", severity="error", kind="statistics", decided_by_server=True,
        title="statistics have one column, more than eight, or one twice", sqlstates=("42P17", "54011", "42701"),
    ),
    Rule(
        code="TX131", name="statistics-table", severity="error", kind="statistics", decided_by_server=True,
        title="table or column of statistics does not exist or cannot have any",
        sqlstates=("42703", "42P01", "3F000", "42809", "0A000", "42501"),
    ),
    Rule(
        code="TX132", name="statistics-type", severity="error", kind="statistics", decided_by_server=True,
        title="type in statistics has no default btree operator class", sqlstates=("0A000",),
    ),
    Rule(
        code="TX133", name="statistics-kinds", severity="error", kind="statistics", decided_by_server=True,
        title="kind of statistics is unknown, or given for a single expression", sqlstates=("0A000", "42601"),
    ),
    Rule(
        code="TX134", name="statistics-expression", severity="error", kind="statistics", decided_by_server=True,
        title="expression in statistics is rejected by the server",
        sqlstates=("42803", "42P20", "0A000", "42601", "42883"),
    ),
    Rule(
        code="TX135", name="statistics-name", severity="error", kind="statistics",
        title="statistics name is too long, qualified, or taken", sqlstates=("42710", "42622"),
    ),
    Rule(
        code="TX217", name="statistics-redundant", severity="warning", kind="statistics",
        title="statistics are covered by other statistics of the table",
    ),
    Rule(
        code="TX218", name="statistics-not-immutable", severity="warning", kind="statistics",
        title="expression in statistics is not immutable",
    ),
)  # fmt: skip

#: What each rule asks; TX134 is the server's answer alone.
CHECKS: Mapping[str, Callable[[StatisticsSubject], Iterable[Answer]]] = {
    "TX130": _keys,
    "TX131": _table,
    "TX132": _types,
    "TX133": _kinds,
    "TX134": lambda _: (),
    "TX135": _name,
    "TX217": _redundant,
    "TX218": _immutable,
}
