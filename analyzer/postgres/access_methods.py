"""Access methods: one record each, of what PostgreSQL, its contrib modules and pgvector offer.

What an index takes on disk is registered by method in twin/predict/index_size.py, what its upkeep costs in
advise/upkeep.py, and how it is written in sql_templates/index/.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from analyzer.postgres import pgvector
from analyzer.postgres.identifiers import MOST_KEYS

_OCTAL = re.compile(r"[+-]?0[0-7]+")

MethodName = Literal["btree", "hash", "gin", "gist", "spgist", "brin", "bloom", "ivfflat", "hnsw"]


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer option: its bounds, and what it is without being set (None where a setting decides)."""

    least: int
    most: int
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """An option that takes one of some words; a boolean takes any of PostgreSQL's spellings."""

    words: tuple[str, ...]


Option = Whole | Words

BOOLEAN: Final = Words(("true", "false", "on", "off", "yes", "no", "1", "0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessMethod:
    """What an access method can do, as pg_indexam_has_property() says on a server, and what it takes."""

    name: MethodName
    unique: bool = False
    include: bool = False
    order: bool = False
    multicolumn: bool = False
    #: amsummarizing: an UPDATE of its columns can stay heap-only, since 16.
    summarizing: bool = False
    #: It takes long to build for its size.
    slow_build: bool = False
    #: The extension it comes with; None for PostgreSQL's own.
    extension: str | None = None
    #: The extension that gives it operator classes for plain numbers, dates and text.
    scalar_extension: str | None = None
    #: The only types it has an operator class for; empty where they are many.
    types: frozenset[str] = frozenset()
    #: The setting by which its answers become complete; None where they always are.
    recall_setting: str | None = None
    #: Storage parameters, with the bounds of reloptions.c and of the extensions, the same from PostgreSQL 14 to 18.
    parameters: Mapping[str, Option] = field(default_factory=dict[str, Option])
    #: Operator classes that one may have to name, and the extension they come with.
    operator_classes: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    #: What an operator class is called in a generated name, in the method's place.
    words: Mapping[str, str] = field(default_factory=dict[str, str])


def _classes(own: str, **of_extensions: str) -> Mapping[str, str | None]:
    found: dict[str, str | None] = dict.fromkeys(own.split())
    for extension, names in of_extensions.items():
        found |= dict.fromkeys(names.split(), extension)
    return found


def _fill(default: int) -> Whole:
    return Whole(10, 100, default)


_PLAIN = "text_pattern_ops varchar_pattern_ops bpchar_pattern_ops int4_ops text_ops"
_DISTANCES = """vector_l2_ops vector_ip_ops vector_cosine_ops halfvec_l2_ops halfvec_ip_ops halfvec_cosine_ops
                bit_hamming_ops"""

METHODS: Final[Mapping[str, AccessMethod]] = {
    method.name: method
    for method in (
        AccessMethod(
            name="btree",
            unique=True,
            include=True,
            order=True,
            multicolumn=True,
            parameters={"fillfactor": _fill(90), "deduplicate_items": BOOLEAN},
            operator_classes=_classes(f"{_PLAIN} record_image_ops"),
        ),
        AccessMethod(
            name="hash",
            parameters={"fillfactor": _fill(75)},
            operator_classes=_classes(_PLAIN),
        ),
        AccessMethod(
            name="gin",
            multicolumn=True,
            scalar_extension="btree_gin",
            parameters={"fastupdate": BOOLEAN, "gin_pending_list_limit": Whole(64, 2_147_483_647)},
            operator_classes=_classes(
                "jsonb_path_ops",
                pg_trgm="gin_trgm_ops",
                intarray="gin__int_ops",
                hstore="gin_hstore_ops",
                btree_gin="int4_ops text_ops",
            ),
            words={"gin_trgm_ops": "trgm", "jsonb_path_ops": "path"},
        ),
        AccessMethod(
            name="gist",
            include=True,
            multicolumn=True,
            scalar_extension="btree_gist",
            parameters={"fillfactor": _fill(90), "buffering": Words(("on", "off", "auto"))},
            operator_classes=_classes(
                "",
                pg_trgm="gist_trgm_ops",
                ltree="gist_ltree_ops",
                intarray="gist__int_ops gist__intbig_ops",
                hstore="gist_hstore_ops",
            ),
        ),
        AccessMethod(
            name="spgist",
            include=True,
            parameters={"fillfactor": _fill(80)},
            operator_classes=_classes("quad_point_ops kd_point_ops text_ops"),
        ),
        AccessMethod(
            name="brin",
            multicolumn=True,
            summarizing=True,
            parameters={"pages_per_range": Whole(1, 131_072, 128), "autosummarize": BOOLEAN},
            operator_classes=_classes(
                """int4_minmax_multi_ops int8_minmax_multi_ops date_minmax_multi_ops timestamp_minmax_multi_ops
                   timestamptz_minmax_multi_ops uuid_bloom_ops int4_bloom_ops int8_bloom_ops text_bloom_ops"""
            ),
        ),
        AccessMethod(
            name="bloom",
            multicolumn=True,
            extension="bloom",
            types=frozenset({"integer", "text", "character varying", "citext"}),
            # contrib/bloom/bloom.h: DEFAULT_BLOOM_LENGTH, MAX_BLOOM_LENGTH, DEFAULT_BLOOM_BITS, MAX_BLOOM_BITS.
            parameters={
                "length": Whole(1, 4096, 80),
                **{f"col{number}": Whole(1, 4095, 2) for number in range(1, MOST_KEYS + 1)},
            },
            operator_classes=_classes("", bloom="int4_ops text_ops"),
        ),
        AccessMethod(
            name="ivfflat",
            slow_build=True,
            extension=pgvector.EXTENSION,
            recall_setting="ivfflat.probes",
            parameters={"lists": Whole(1, pgvector.MOST_LISTS, pgvector.DEFAULT_LISTS)},
            operator_classes=_classes("", vector=_DISTANCES),
        ),
        AccessMethod(
            name="hnsw",
            slow_build=True,
            extension=pgvector.EXTENSION,
            recall_setting="hnsw.ef_search",
            parameters={
                "m": Whole(2, 100, pgvector.DEFAULT_M),
                "ef_construction": Whole(4, 1000, pgvector.DEFAULT_EF_CONSTRUCTION),
            },
            operator_classes=_classes(
                "",
                vector=f"""{_DISTANCES} vector_l1_ops halfvec_l1_ops bit_jaccard_ops sparsevec_l2_ops sparsevec_ip_ops
                           sparsevec_cosine_ops sparsevec_l1_ops""",
            ),
        ),
    )
}

#: pgvector's methods: approximate nearest neighbours.
VECTOR_METHODS: Final = frozenset(name for name, method in METHODS.items() if method.extension == pgvector.EXTENSION)
#: Methods whose answers may lack rows.
APPROXIMATE: Final = frozenset(name for name, method in METHODS.items() if method.recall_setting is not None)
SLOW_BUILDS: Final = frozenset(name for name, method in METHODS.items() if method.slow_build)
SUMMARIZING: Final = frozenset(name for name, method in METHODS.items() if method.summarizing)

#: The methods that have each operator class.
OPERATOR_CLASSES: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(each.name for each in METHODS.values() if name in each.operator_classes)
    for name in dict.fromkeys(name for method in METHODS.values() for name in method.operator_classes)
}
#: Classes that are their type's default in each method that has them; a spec need not name one.
DEFAULT_CLASSES: Final = frozenset({"int4_ops", "text_ops"})
#: Parameters of operator classes.
OPERATOR_CLASS_PARAMETERS: Final[Mapping[str, Mapping[str, Option]]] = {"gist_trgm_ops": {"siglen": Whole(1, 2024)}}


def extension_of(name: str) -> str | None:
    """Return the extension that an access method or an operator class comes with; None when it is PostgreSQL's own.

    A class that several methods have under the same name counts as PostgreSQL's when one of them has it by itself.
    """
    if name in METHODS:
        return METHODS[name].extension
    found = {method.operator_classes[name] for method in METHODS.values() if name in method.operator_classes}
    return found.pop() if len(found) == 1 else None


def number_of(method: str, parameters: Iterable[tuple[str, str]], name: str) -> float:
    """Return the value of a numeric storage parameter, its default where it is not set."""
    stated = dict(parameters).get(name)
    if stated is not None:
        return parse_number(stated)
    option = METHODS[method].parameters[name]
    if not isinstance(option, Whole) or option.default is None:
        raise ValueError(f"{method} has no default of {name}")
    return float(option.default)


def parse_number(text: str) -> float:
    """Parse a numeric parameter as PostgreSQL does; raises ValueError."""
    return int(text, 0) if text.lower().startswith("0x") else float(text)


def is_on(value: str) -> bool:
    """Say whether a boolean parameter is on: PostgreSQL takes any beginning of `true` and `yes`, `on` and `1`."""
    low = value.lower()
    return low in {"on", "1"} or (low != "" and any(word.startswith(low) for word in ("true", "yes")))


def plain_value(method: str, name: str, stored: str) -> str:
    """Return the plainest spelling of a storage parameter that the catalog holds: 70 of `0x46`, true of `ON`.

    What only an extension knows stays as it is.
    """
    option = METHODS[method].parameters.get(name) if method in METHODS else None
    match option:
        case Whole():
            return plain_number(stored)
        case Words() if option is BOOLEAN:
            return "true" if is_on(stored) else "false"
        case Words():
            return stored.lower()
        case _:
            return stored


def plain_number(stored: str) -> str:
    """Return the plainest spelling of a number that the catalog holds, as guc.c's parse_int() and parse_real() read it.

    A leading zero there means octal, as `CREATE INDEX … WITH (fillfactor = '070')` finds out.
    """
    text = stored.strip()
    if _OCTAL.fullmatch(text):
        return str(int(text, 8))
    try:
        number = float(parse_number(text))
        return str(int(number)) if number.is_integer() else repr(number)
    except (ValueError, OverflowError):
        return stored


def rests_on_order(opclass: str | None) -> bool:
    """Say whether a BRIN operator class finds few ranges only where values follow the order of the rows."""
    return opclass is None or not ("bloom" in opclass or "multi" in opclass)
