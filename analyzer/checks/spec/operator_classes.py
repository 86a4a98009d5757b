"""Operator classes, collations and extensions: TX110, TX111, TX115, TX120, TX121, TX124, TX201 and TX202."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from analyzer.checks.rule import NEEDS_TABLE, Answer, Rule, Subject, Unknown, Violation
from analyzer.objects.index import Key
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.pages import DEFAULT_TABLESPACE

#: Classes of PostgreSQL and of its common extensions that one has to name, and the methods that have them.
CLASSES: Mapping[str, frozenset[str]] = {
    name: frozenset(methods.split())
    for methods, names in {
        "btree hash": "text_pattern_ops varchar_pattern_ops bpchar_pattern_ops",
        "btree": "record_image_ops",
        "gin": "jsonb_path_ops gin_trgm_ops gin__int_ops gin_hstore_ops",
        "gist": "gist_trgm_ops gist_ltree_ops gist__int_ops gist__intbig_ops gist_hstore_ops",
        "spgist": "quad_point_ops kd_point_ops",
        "brin": """int4_minmax_multi_ops int8_minmax_multi_ops date_minmax_multi_ops timestamp_minmax_multi_ops
                   timestamptz_minmax_multi_ops uuid_bloom_ops int4_bloom_ops int8_bloom_ops text_bloom_ops""",
        "hnsw ivfflat": """vector_l2_ops vector_ip_ops vector_cosine_ops halfvec_l2_ops halfvec_ip_ops
                           halfvec_cosine_ops bit_hamming_ops""",
        "hnsw": """vector_l1_ops halfvec_l1_ops bit_jaccard_ops sparsevec_l2_ops sparsevec_ip_ops
                   sparsevec_cosine_ops sparsevec_l1_ops""",
    }.items()
    for name in names.split()
}
HNSW_ONLY = frozenset(name for name, methods in CLASSES.items() if methods == frozenset({"hnsw"}))
_EXTENSIONS: Mapping[str, str] = {
    "gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm", "gin_hstore_ops": "hstore", "gist_hstore_ops": "hstore",
    "gist_ltree_ops": "ltree", "gin__int_ops": "intarray", "gist__int_ops": "intarray", "gist__intbig_ops": "intarray",
}  # fmt: skip
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
            yield Unknown(reason="which types have a default operator class is known with -d URL or --snapshot")
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
    if method == "btree" and kind in ("json", "xml"):
        rewrite = "make the column jsonb, or index an expression: data ->> 'name'" if kind == "json" else None
        return Violation(message=message, at=at, rewrite=rewrite or "index what xpath() finds in it, as text")
    if method == "btree" and kind in ("point", "box", "polygon", "circle", "line", "lseg", "path"):
        fix = replace(subject.index, method="gist") if kind in ("point", "box", "polygon", "circle") else None
        return Violation(message=message, at=at, rewrite="gist, which serves geometric types", fix=fix)
    if method in ("gin", "gist", "spgist") and kind in ("integer", "bigint", "smallint", "date", "uuid", "numeric"):
        need = {"gin": "btree_gin", "gist": "btree_gist"}.get(method)
        rewrite = f"CREATE EXTENSION {need}, or a btree" if need else "a btree"
        return Violation(message=message, at=at, rewrite=rewrite, fix=replace(subject.index, method="btree"))
    return None


def _belongs(subject: Subject) -> Iterator[Answer]:
    method = subject.index.method
    for number, key in enumerate(subject.index.keys):
        name = bare_name(key.opclass)
        if not name or (name in HNSW_ONLY and method == "ivfflat"):
            continue
        methods = CLASSES.get(name)
        at = ("keys", number, "opclass")
        if methods is not None and method not in methods:
            yield Violation(
                message=f"{name} is an operator class of {' and '.join(sorted(methods))}, not of {method}", at=at
            )
        elif methods is None:
            near = difflib.get_close_matches(name, [n for n, m in CLASSES.items() if method in m], n=1, cutoff=0.85)
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
    needs = {_EXTENSIONS[bare_name(key.opclass)] for key in index.keys if bare_name(key.opclass) in _EXTENSIONS}
    if index.method in ("hnsw", "ivfflat"):
        needs.add("vector")
    for extension in sorted(needs):
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
    known = subject.known.facts.snapshot.server.tablespaces if subject.known is not None else None
    if known is None:
        yield Unknown(reason="which tablespaces there are is known with -d URL, or --snapshot of a new capture")
    elif name not in known:
        rewrite = f"one of {', '.join(each for each in known if each != 'pg_global')}, or none for the database's own"
        yield Violation(message=f"there is no tablespace {name}", at=("tablespace",), rewrite=rewrite)


def _hnsw_class(subject: Subject) -> Iterator[Answer]:
    if subject.index.method != "hnsw":
        return
    for number, key in enumerate(subject.index.keys):
        if key.opclass is None:
            kind = subject.type_of(key)
            opclass = _VECTOR_CLASSES.get(kind or "vector")
            yield Violation(
                message="hnsw has no default operator class; it must be the one of the distance that is asked for",
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
                message=f"gin on {key.column} uses btree_gin's text_ops, which serves = alone, no LIKE",
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
                message=f"the recorded statements ask {_listed(asked & _EXISTENCE)} of {key.column or key.expression}, "
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
    message = f"gin on {column} does not say which operator class of jsonb: the default is the larger"
    if asked:
        message += f"; the recorded statements ask {_listed(asked)} of it"
    elif subject.uses is not None:
        message += "; no recorded statement asks of it what either serves"
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
        title="a type without a default operator class for the method", sqlstates=("42704",),
        check=_default, decided_by_server=True,
    ),
    Rule(
        code="TX111", name="opclass-of-another", severity="error",
        title="an operator class of another method or type", sqlstates=("42704", "42804"),
        check=_belongs, decided_by_server=True,
    ),
    Rule(
        code="TX115", name="collation", severity="error",
        title="a collation that is not there, or on a type that has none", sqlstates=("42704", "42804"),
        check=_collation, decided_by_server=True,
    ),
    Rule(
        code="TX120", name="extension-or-tablespace", severity="error",
        title="an access method, extension or tablespace that is not there", sqlstates=("42704",), check=_extension,
    ),
    Rule(
        code="TX121", name="hnsw-needs-opclass", severity="error", title="hnsw without an operator class",
        sqlstates=("42704",), check=_hnsw_class, decided_by_server=True,
    ),
    Rule(
        code="TX124", name="hnsw-only-opclass", severity="error", title="ivfflat with an operator class only hnsw has",
        sqlstates=("42704",), check=_hnsw_only, decided_by_server=True,
    ),
    Rule(
        code="TX201", name="gin-equality-on-text", severity="warning",
        title="gin on text without gin_trgm_ops serves equality alone", check=_equality_gin,
    ),
    Rule(
        code="TX202", name="jsonb-opclass-unsaid", severity="warning",
        title="gin on jsonb without saying which operator class, or with one that does not serve what is asked",
        check=_json_class,
    ),
)  # fmt: skip
