"""Operators and types in, the operator classes that serve them out."""

import pytest

from analyzer.objects.operator_classes import OperatorClasses, TypeFacts
from tests.operator_classes import of_extensions

EVERY = of_extensions()


def served(
    name: str, kind: str, other: str | None = None, *, commuted: bool = False, order: bool = False
) -> dict[str, str]:
    """Return the classes that serve an operator, those of each method in one text, by method."""
    found: dict[str, list[str]] = {}
    for each in EVERY.serving(name, kind, other, is_commuted=commuted, purpose="o" if order else "s"):
        found.setdefault(each.operator_class.method, []).append(each.operator_class.name)
    return {method: " ".join(names) for method, names in found.items()}


@pytest.mark.parametrize(
    ("kind", "operator", "method", "classes"),
    [
        ("jsonb", "@>", "gin", "jsonb_ops jsonb_path_ops"),
        ("jsonb", "?|", "gin", "jsonb_ops"),
        ("text[]", "&&", "gin", "array_ops"),
        ("integer[]", "&&", "gin", "gin__int_ops"),
        ("bigint[]", "&&", "gin", "array_ops"),
        ("public.hstore", "?", "gin", "gin_hstore_ops"),
        ("public.ltree", "<@", "gist", "gist_ltree_ops"),
        ("public.cube", "&&", "gist", "gist_cube_ops"),
        ("character varying(80)", "~~", "gin", "gin_trgm_ops"),
        ("cidr", "<<", "spgist", "inet_ops"),
        ("tstzrange", "&&", "gist", "range_ops"),
        ("tstzmultirange", "&&", "gist", "multirange_ops"),
        ("point", "<@", "spgist", "kd_point_ops quad_point_ops"),
        ("text", "^@", "spgist", "text_ops"),
        ("character(4)", "~>=~", "btree", "bpchar_pattern_ops"),
        ("xid", "=", "hash", "xid_ops"),
    ],
)
def test_an_operator_is_served_by_what_the_catalog_says(kind: str, operator: str, method: str, classes: str) -> None:
    assert served(operator, kind)[method] == classes


@pytest.mark.parametrize(
    ("kind", "methods"),
    [
        ("text[]", {"btree", "gin", "hash"}),
        ("character varying(9)[]", {"btree", "gin", "hash"}),
        # No hash function, and no order.
        ("bit varying[]", {"btree", "gin"}),
        ("money[]", {"btree", "gin"}),
        ("xid[]", {"hash"}),
        ("point[]", set[str]()),
        ("json[]", set[str]()),
    ],
)
def test_an_array_has_the_classes_that_its_elements_allow(kind: str, methods: set[str]) -> None:
    assert {each for each in ("btree", "gin", "hash") if EVERY.default_class(kind, each) is not None} == methods
    assert {"btree", "hash"} & served("=", kind).keys() == methods - {"gin"}


@pytest.mark.parametrize(
    ("kind", "operator"),
    [
        ("character(3)", "~~"),
        ("public.citext", "~~"),
        ("name", "~~"),
        ("json", "->>"),
        ("integer", "%"),
        ("text", "no such operator"),
        ("no such type", "@>"),
    ],
)
def test_an_operator_of_its_own_type_hides_that_of_another(kind: str, operator: str) -> None:
    assert served(operator, kind) == {}


def test_the_type_of_the_other_side_chooses_the_operator() -> None:
    assert served("@>", "int4range", "integer")["gist"] == "range_ops"
    assert served("@>", "integer[]", "integer[]")["gin"] == "gin__int_ops"
    assert served("<@", "int4range", "int4range", commuted=True)["gist"] == "range_ops"
    assert served("<@", "int4range", "integer", commuted=True)["spgist"] == "range_ops"
    assert served("~~", "text", commuted=True) == {}, "LIKE has no commutator"


def test_a_distance_is_served_for_order_alone() -> None:
    assert served("<->", "point", order=True)["gist"] == "point_ops"
    assert served("<->", "point") == {}
    assert served("<=>", "public.vector(3)", order=True) == {
        "hnsw": "vector_cosine_ops",
        "ivfflat": "vector_cosine_ops",
    }


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [
        ("character varying(80)", "btree", "text_ops"),
        ("character varying", "hash", "text_ops"),
        ("cidr", "btree", "inet_ops"),
        ("date[]", "gin", "array_ops"),
        ("point", "btree", None),
        ("json", "btree", None),
        ("inet", "gist", "gist_inet_ops"),
        ("public.citext", "btree", "citext_ops"),
    ],
)
def test_a_default_class_is_the_one_create_index_takes(kind: str, method: str, name: str | None) -> None:
    found = EVERY.default_class(kind, method)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("varchar(3)", "character varying"),
        ("TIMESTAMP(3) WITHOUT TIME ZONE", "timestamp without time zone"),
        ("int4[]", "integer[]"),
        ("INT", "integer"),
        ("public.vector(3)", "public.vector"),
        ("vector(3)", "public.vector"),
        ('"odd(1)"."Type"', '"odd(1)"."Type"'),
        ('"odd"."two  spaces\n"(3)', '"odd"."two  spaces\n"'),
    ],
)
def test_a_type_is_known_by_each_of_its_spellings(text: str, name: str) -> None:
    assert EVERY.type_named(text) == name


def test_a_domain_is_what_it_is_made_of_and_may_be_made_of_itself() -> None:
    def domain(name: str, base: str) -> TypeFacts:
        return TypeFacts(name=name, short_name=name, kind="d", base=base, category="S", is_preferred=False, length=-1)

    own = OperatorClasses(
        types=[*EVERY.types.values(), domain("public.code", "public.inner"), domain("public.inner", "text")],
        casts=EVERY.casts,
        operators=EVERY.operators,
        classes=EVERY.classes,
    )
    assert own.base("public.code") == "text"
    assert own.is_sortable("public.code")
    assert [each.operator_class.name for each in own.serving("~~", "public.code")] == ["gin_trgm_ops", "gist_trgm_ops"]
    assert OperatorClasses(types=[domain("d", "d")]).base("d") == "d"


def test_without_a_server_nothing_is_known() -> None:
    assert OperatorClasses().serving("@>", "jsonb") == ()
    assert not OperatorClasses().is_sortable("integer")
