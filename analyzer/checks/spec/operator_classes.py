"""Operator classes, collations and extensions: TX110, TX111, TX115, TX120, TX121, TX124, TX201 and TX202."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from analyzer.checks.rule import NEEDS_TABLE, Answer, Rule, Subject, Unknown, Violation
from analyzer.objects.index import Key
from analyzer.postgres.access_methods import DEFAULT_CLASSES, METHODS, OPERATOR_CLASSES
from analyzer.postgres.columns import DOCUMENT_TYPES, GEOMETRIC_TYPES, UNORDERED_TYPES
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.tablespaces import DEFAULT_TABLESPACE, SHARED_TABLESPACE

HNSW_ONLY = frozenset(name for name, methods in OPERATOR_CLASSES.items() if methods == frozenset({"hnsw"}))
_TEXT = frozenset({"text", "character varying", "character"})
_COLLATIONS = frozenset({"C", "POSIX", "default", "ucs_basic", "C.utf8", "unicode", "pg_c_utf8"})
#: Operators of jsonb: the first are served by jsonb_ops alone, the others by both of gin's classes.
_EXISTENCE = frozenset({"?", "?|", "?&"})
_CONTAINMENT = frozenset({"@>", "@?", "@@"})
#: What each vector type's class for a distance is called; cosine is what embeddings are usually compared by.
_VECTOR_CLASSES = {
    "vector": "vector_cosine_ops",
    "halfvec": "halfvec_cosine_ops",
    "sparsevec": "sparsevec_cosine_ops",
    "bit": "bit_hamming_ops",
}


def _default(subject: Subject) -> Iterator[Answer]:
    for number, key in enumerate(subject.index.keys):
        if key.opclass is not None or subject.index.method == "hnsw":
            continue
        if subject.known is None:
            yield Unknown(reason="requires the default operator classes; use -d URL or --snapshot")
        elif (found := _replacement(subject, number, key)) is not None:
            yield found


def _replacement(subject: Subject, number: int, key: Key) -> Violation | None:
    """Say what to write where a type has no default operator class; silent where it may have one."""
    method, kind = subject.index.method, subject.type_of(key)
    message = f"{key.column} is {kind}, for which {method} has no default operator class"
    at = ("keys", number)
    if method == "gin" and kind in _TEXT:
        fix = subject.with_key(number, opclass="gin_trgm_ops")
        return Violation(message=message, at=at, rewrite="gin_trgm_ops of pg_trgm, for LIKE and ILIKE", fix=fix)
    if method == "btree" and kind in DOCUMENT_TYPES:
        rewrite = "make the column jsonb, or index an expression: data ->> 'name'" if kind == "json" else None
        return Violation(message=message, at=at, rewrite=rewrite or "index what xpath() finds in it, as text")
    if method == "btree" and kind in GEOMETRIC_TYPES:
        fix = replace(subject.index, method="gist") if kind in ("point", "box", "polygon", "circle") else None
        return Violation(message=message, at=at, rewrite="gist, which serves geometric types", fix=fix)
    if method in ("gin", "gist", "spgist") and kind in ("integer", "bigint", "smallint", "date", "uuid", "numeric"):
        need = METHODS[method].scalar_extension
        rewrite = f"CREATE EXTENSION {need}, or a btree" if need else "a btree"
        return Violation(message=message, at=at, rewrite=rewrite, fix=replace(subject.index, method="btree"))
    return _of_few_types(subject, number, key, message)


def _of_few_types(subject: Subject, number: int, key: Key, message: str) -> Violation | None:
    index, column = subject.index, subject.column(key.column)
    types = METHODS[index.method].types
    if not types or column is None or subject.known is None or subject.type_of(key) in types:
        return None
    is_ordered = subject.type_of(key) not in UNORDERED_TYPES
    fix = replace(index, method="btree", parameters=()) if is_ordered else None
    rewrite = f"{index.method} takes {', '.join(sorted(types))} alone" + ("; a btree takes it" if is_ordered else "")
    return Violation(message=message, at=("keys", number), rewrite=rewrite, fix=fix)


def _belongs(subject: Subject) -> Iterator[Answer]:
    method = subject.index.method
    for number, key in enumerate(subject.index.keys):
        name = bare_name(key.opclass)
        if not name or (name in HNSW_ONLY and method == "ivfflat"):
            continue
        methods = OPERATOR_CLASSES.get(name)
        at = ("keys", number, "opclass")
        if methods is not None and method not in methods:
            yield Violation(
                message=f"{name} is an operator class of {' and '.join(sorted(methods))}, not of {method}", at=at
            )
        elif methods is None:
            choices = [each for each in METHODS[method].operator_classes if each not in DEFAULT_CLASSES]
            near = difflib.get_close_matches(name, choices, n=1, cutoff=0.85)
            if near and subject.known is not None:
                fix = subject.with_key(number, opclass=near[0])
                message = f"{method} has no operator class {name}"
                yield Violation(message=message, at=at, rewrite=f"do you mean {near[0]}?", fix=fix)
            yield Unknown(reason=f"whether {method} has {name} is known to a server only")
        if subject.known is None:
            yield NEEDS_TABLE


def _collation(subject: Subject) -> Iterator[Answer]:
    for number, key in enumerate(subject.index.keys):
        if key.collation is None:
            continue
        kind = subject.type_of(key)
        if kind is not None and kind not in _TEXT | {"citext", "name"} and not kind.endswith("[]"):
            message = f"{key.column} is {kind}, which has no collation"
            fix = subject.with_key(number, collation=None)
            yield Violation(message=message, at=("keys", number, "collation"), rewrite="drop collation", fix=fix)
        elif subject.known is None and bare_name(key.collation) not in _COLLATIONS:
            yield Unknown(reason=f"whether there is a collation {key.collation} is known to a server only")
        elif subject.known is None and key.column is not None:
            yield NEEDS_TABLE


def _extension(subject: Subject) -> Iterator[Answer]:
    index = subject.index
    method = METHODS[index.method]
    needs = {method.extension, *(method.operator_classes.get(bare_name(key.opclass)) for key in index.keys)}
    for extension in sorted(filter(None, needs)):
        installed = subject.has_extension(extension)
        if installed is None:
            yield Unknown(reason=f"whether the extension {extension} is installed is known with -d URL or --snapshot")
        elif not installed:
            rewrite = f"CREATE EXTENSION {extension} in an earlier revision"
            if not subject.has_available(extension):
                rewrite = f"the server has no files of it either: install them first, then {rewrite}"
            yield Violation(message=f"the extension {extension} is not installed", at=("method",), rewrite=rewrite)
    yield from _tablespace(subject)


def _tablespace(subject: Subject) -> Iterator[Answer]:
    name = subject.index.tablespace
    if name in (None, DEFAULT_TABLESPACE):
        return
    known = subject.known.catalog.snapshot.server.tablespaces if subject.known is not None else None
    if known is None:
        yield Unknown(reason="which tablespaces there are is known with -d URL, or --snapshot of a new capture")
    elif name not in known:
        rewrite = (
            f"one of {', '.join(each for each in known if each != SHARED_TABLESPACE)}, or none for the database's own"
        )
        yield Violation(message=f"there is no tablespace {name}", at=("tablespace",), rewrite=rewrite)


def _hnsw_class(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "hnsw":
        return
    for number, key in enumerate(subject.index.keys):
        if key.opclass is None:
            kind = subject.type_of(key)
            opclass = _VECTOR_CLASSES.get(kind or "vector")
            yield Violation(
                message="hnsw has no default operator class; use the one for the distance operator of the statements",
                at=("keys", number),
                rewrite="<-> vector_l2_ops, <#> vector_ip_ops, <=> vector_cosine_ops, <+> vector_l1_ops",
                fix=subject.with_key(number, opclass=opclass) if opclass is not None else None,
            )


def _hnsw_only(subject: Subject) -> Iterator[Answer]:
    for number, key in enumerate(subject.index.keys):
        if subject.index.method == "ivfflat" and bare_name(key.opclass) in HNSW_ONLY:
            yield Violation(
                message=f"ivfflat has no {bare_name(key.opclass)}; L1, Jaccard and sparse vectors are for hnsw",
                at=("keys", number, "opclass"),
                rewrite="method: hnsw",
                fix=replace(subject.index, method="hnsw", parameters=()),
            )


def _equality_gin(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "gin":
        return
    for number, key in enumerate(subject.index.keys):
        if key.opclass is not None:
            continue
        if subject.known is None:
            yield NEEDS_TABLE
        elif subject.type_of(key) in _TEXT:
            yield Violation(
                message=f"gin on {key.column} uses btree_gin's text_ops, which supports only =, not LIKE",
                at=("keys", number),
                rewrite="gin_trgm_ops for LIKE, ILIKE and regular expressions; a btree for =",
                fix=subject.with_key(number, opclass="gin_trgm_ops"),
            )


def _json_class(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "gin":
        return
    for number, key in enumerate(subject.index.keys):
        asked = _asked(subject, key)
        if bare_name(key.opclass) == "jsonb_path_ops" and asked & _EXISTENCE:
            yield Violation(
                message=f"the recorded statements use {_listed(asked & _EXISTENCE)} of {key.column or key.expression}, "
                "which jsonb_path_ops does not serve",
                at=("keys", number),
                rewrite="opclass: jsonb_ops",
                fix=subject.with_key(number, opclass="jsonb_ops"),
            )
        elif key.opclass is not None:
            continue
        elif subject.known is None and key.expression is None:
            yield NEEDS_TABLE
        elif subject.type_of(key) == "jsonb":
            yield _unsaid(subject, number, asked)


def _unsaid(subject: Subject, number: int, asked: frozenset[str]) -> Violation:
    column = subject.index.keys[number].column
    message = f"gin on {column} has no explicit jsonb operator class; the default one is larger"
    if asked:
        message += f"; the recorded statements use {_listed(asked)} of it"
    elif subject.uses is not None:
        message += "; no recorded statement uses an operator of either"
    return Violation(
        message=message,
        at=("keys", number),
        rewrite="jsonb_path_ops serves @>, @? and @@ and is smaller; jsonb_ops serves ?, ?| and ?& too; "
        "neither serves ->> 'key' =, which wants a btree on that expression",
        fix=subject.with_key(number, opclass="jsonb_ops" if asked & _EXISTENCE else "jsonb_path_ops"),
    )


def _asked(subject: Subject, key: Key) -> frozenset[str]:
    """Return the operators of jsonb that the recorded statements use on a key."""
    found = (each for use in subject.uses or () for each in use.operators)
    if key.column is not None:
        found = (each for each in found if each.column == key.column and each.expression is None)
    else:
        found = (each for each in found if each.expression == key.expression)
    return frozenset(each.operator for each in found) & (_EXISTENCE | _CONTAINMENT)


def _listed(operators: Iterable[str]) -> str:
    return ", ".join(sorted(operators))


RULES = (
    Rule(
        code="TX110", name="no-default-opclass", severity="error",
        title="type has no default operator class for the access method", sqlstates=("42704",),
        check=_default, decided_by_server=True,
    ),
    Rule(
        code="TX111", name="opclass-mismatch", aliases=("opclass-of-another",), severity="error",
        title="operator class belongs to another access method or type", sqlstates=("42704", "42804"),
        check=_belongs, decided_by_server=True,
    ),
    Rule(
        code="TX115", name="invalid-collation", aliases=("collation",), severity="error",
        title="collation does not exist, or the type is not collatable", sqlstates=("42704", "42804"),
        check=_collation, decided_by_server=True,
    ),
    Rule(
        code="TX120", name="missing-extension", aliases=("extension-or-tablespace",), severity="error",
        title="access method, extension or tablespace does not exist", sqlstates=("42704",), check=_extension,
    ),
    Rule(
        code="TX121", name="hnsw-needs-opclass", severity="error", title="hnsw index has no operator class",
        sqlstates=("42704",), check=_hnsw_class, decided_by_server=True,
    ),
    Rule(
        code="TX124", name="hnsw-only-opclass", severity="error",
        title="operator class is supported by hnsw only, not by ivfflat",
        sqlstates=("42704",), check=_hnsw_only, decided_by_server=True,
    ),
    Rule(
        code="TX201", name="gin-text-without-trgm", aliases=("gin-equality-on-text",), severity="warning",
        title="gin on text without gin_trgm_ops serves equality only", check=_equality_gin,
    ),
    Rule(
        code="TX202", name="jsonb-opclass-unspecified", aliases=("jsonb-opclass-unsaid",), severity="warning",
        title="gin on jsonb names no operator class, or one that its queries cannot use",
        check=_json_class,
    ),
)  # fmt: skip
