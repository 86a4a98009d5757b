"""TX106 to TX109, TX112, TX123 and TX125: what each access method can do, and its storage parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.checks.rule import Answer, Rule, Subject, Unknown, Violation
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import (
    BOOLEAN,
    METHODS,
    OPERATOR_CLASS_PARAMETERS,
    VECTOR_METHODS,
    Option,
    Whole,
    Words,
    parse_number,
)
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.pgvector import DEFAULT_EF_CONSTRUCTION, DEFAULT_M


def _able(what: str) -> str:
    return ", ".join(name for name, able in METHODS.items() if getattr(able, what))


def _unique(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.unique and not METHODS[index.method].unique:
        yield Violation(
            message=f"{index.method} does not support unique indexes; only {_able('unique')} can",
            at=("unique",),
            rewrite="make the unique index a btree, or drop unique",
            fix=replace(index, unique=False, nulls_not_distinct=False),
        )


def _include(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.include and not METHODS[index.method].include:
        yield Violation(
            message=f"{index.method} does not support INCLUDE; only {_able('include')} have",
            at=("include",),
            rewrite="remove include, or include the columns in a btree",
            fix=replace(index, include=()),
        )
    for number, name in enumerate(index.include):
        if subject.column(name) is None and any(sign in name for sign in "( "):
            message = f"INCLUDE takes plain columns, not {name!r}"
            yield Violation(message=message, at=("include", number), rewrite="specify only the column")


def _order(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if METHODS[index.method].order:
        return
    for number, key in enumerate(index.keys):
        if key.descending or key.nulls is not None:
            yield Violation(
                message=f"{index.method} is not ordered; order and nulls require {_able('order')}",
                at=("keys", number),
                rewrite="remove order and nulls",
                fix=subject.with_key(number, descending=False, nulls=None),
            )


def _multicolumn(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if len(index.keys) > 1 and not METHODS[index.method].multicolumn:
        yield Violation(
            message=f"{index.method} supports one key, not {len(index.keys)}; {_able('multicolumn')} take several",
            at=("keys", 1),
            rewrite="declare an index per key, or one with a method that takes several",
            fix=replace(index, method="btree") if index.method == "hash" else None,
        )


def _storage(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.method not in VECTOR_METHODS:
        yield from _bounds(subject)
    for number, key in enumerate(index.keys):
        known = OPERATOR_CLASS_PARAMETERS.get(bare_name(key.opclass), {})
        for name, value in key.opclass_parameters:
            if known and (problem := _problem(known, name, value)):
                kept = tuple(pair for pair in key.opclass_parameters if pair[0] != name)
                fix = subject.with_key(number, opclass_parameters=kept)
                yield Violation(
                    message=f"{key.opclass}: {problem}", at=("keys", number, "opclass_parameters", name), fix=fix
                )
            elif not known:
                yield Unknown(reason=f"the parameters of {key.opclass} are known to a server only")


def _vector_storage(subject: Subject) -> Iterator[Answer]:
    if subject.index.method not in VECTOR_METHODS:
        return
    yield from _bounds(subject)
    parameters = dict(subject.index.parameters)
    m, ef = parameters.get("m"), parameters.get("ef_construction")
    m_number = int(m) if m is not None and m.isdigit() else DEFAULT_M
    ef_number = int(ef) if ef is not None and ef.isdigit() else DEFAULT_EF_CONSTRUCTION
    if subject.index.method == "hnsw" and ef_number < 2 * m_number <= 200:
        yield Violation(
            message=f"ef_construction is {ef_number} and m {m_number}: it must be at least twice m",
            at=("with", "ef_construction" if ef is not None else "m"),
            rewrite=f"ef_construction: {2 * m_number}",
            fix=subject.with_parameters(ef_construction=str(2 * m_number)),
        )


def _bounds(subject: Subject) -> Iterator[Violation]:
    known = METHODS[subject.index.method].parameters
    for name, value in subject.index.parameters:
        problem = _problem(known, name, value)
        if problem is not None:
            yield Violation(
                message=f"{subject.index.method}: {problem}",
                at=("with", name),
                rewrite=_remedy(known, name),
                fix=_within(subject, known.get(name), name, value),
            )


def _problem(known: Mapping[str, Option], name: str, value: str) -> str | None:
    option = known.get(name)
    if option is None:
        return f"it has no parameter {name}"
    if isinstance(option, Words):
        low = value.lower()
        # PostgreSQL takes any unambiguous beginning of a boolean's words.
        matches = low in option.words or (
            option is BOOLEAN and any(w.startswith(low) for w in option.words if len(w) > 2)
        )
        return None if matches and low != "o" else f"{name} is {', '.join(option.words[:4])}, not {value}"
    try:
        number = parse_number(value)
    except ValueError:
        return f"{name} is a whole number, not {value}"
    return None if option.least <= number <= option.most else f"{name} is {option.least} to {option.most}, not {value}"


def _remedy(known: Mapping[str, Option], name: str) -> str:
    return f"within bounds, or left out for the default of {name}" if name in known else f"it has {', '.join(known)}"


def _within(subject: Subject, option: Option | None, name: str, value: str) -> IndexDef:
    """Return the index with the nearest value that is allowed; without the parameter if no value is allowed."""
    if isinstance(option, Whole) and value.lstrip("-").isdigit():
        nearest = str(min(max(int(value), option.least), option.most))
        return subject.with_parameters(**{name: nearest})
    return subject.with_parameters(**{name: None})


def _nulls(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    if index.nulls_not_distinct and not index.unique:
        yield Violation(
            message="nulls_not_distinct has no effect on an index that is not unique",
            at=("nulls_not_distinct",),
            rewrite="add unique: true, or remove nulls_not_distinct",
            fix=replace(index, nulls_not_distinct=False),
        )
    elif index.nulls_not_distinct and subject.known is None:
        yield Unknown(reason="NULLS NOT DISTINCT needs PostgreSQL 15; give -d URL or --snapshot to compare")
    elif index.nulls_not_distinct and subject.known is not None and subject.known.catalog.snapshot.server.major < 15:
        major = subject.known.catalog.snapshot.server.major
        yield Violation(
            message=f"nulls_not_distinct needs PostgreSQL 15; the server is {major}", at=("nulls_not_distinct",)
        )


RULES = (
    Rule(
        code="TX106", name="unique-needs-btree", severity="error",
        title="access method does not support unique indexes",
        sqlstates=("0A000",), check=_unique, decided_by_server=True,
    ),
    Rule(
        code="TX107", name="include-not-supported", severity="error",
        title="INCLUDE is not supported by the access method, or holds more than plain columns",
        sqlstates=("0A000", "42P17", "42703"), check=_include, decided_by_server=True,
    ),
    Rule(
        code="TX108", name="order-not-supported", severity="error",
        title="order and nulls are not supported by the access method",
        sqlstates=("0A000",), check=_order, decided_by_server=True,
    ),
    Rule(
        code="TX109", name="multicolumn-not-supported", aliases=("one-key-only",), severity="error",
        title="access method supports a single key only",
        sqlstates=("0A000",), check=_multicolumn, decided_by_server=True,
    ),
    Rule(
        code="TX112", name="invalid-storage-parameter", aliases=("storage-parameter",), severity="error",
        title="unknown storage parameter, or value out of range",
        sqlstates=("22023",), check=_storage, decided_by_server=True,
    ),
    Rule(
        code="TX123", name="vector-index-parameter", severity="error",
        title="parameter of hnsw or ivfflat is unknown or out of range",
        sqlstates=("22023",), check=_vector_storage, decided_by_server=True,
    ),
    Rule(
        code="TX125", name="nulls-not-distinct", severity="error",
        title="NULLS NOT DISTINCT on a non-unique index, or before PostgreSQL 15",
        sqlstates=("42601",), check=_nulls,
    ),
)  # fmt: skip
