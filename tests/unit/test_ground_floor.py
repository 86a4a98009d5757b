"""What PostgreSQL is stands once, in analyzer/postgres; an access method is registered wherever one must be."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from analyzer.advise.upkeep import ENTRY_COSTS
from analyzer.postgres import pages
from analyzer.postgres.access_methods import (
    METHODS,
    SLOW_BUILDS,
    MethodName,
    extension_of,
    is_on,
    number_of,
)
from analyzer.postgres.collations import is_bytewise, is_bytewise_locale, is_default
from analyzer.postgres.identifiers import (
    MOST_BYTES,
    QualifiedName,
    bare_name,
    clipped,
    fits,
    listed_names,
    object_name,
    quote,
    shortened,
    unquote,
    with_suffix,
)
from analyzer.postgres.lex import lex, words
from analyzer.postgres.pgvector import MOST_LISTS, advised_lists, fewest_rows
from analyzer.postgres.versions import numbers
from analyzer.twin.predict.index_size import SIZES
from analyzer.twin.server import relation_pages

ROOT = Path(__file__).parents[2]
#: Loaded by its path in a process that may import nothing of ours; see the test of its constants.
ALONE = "twin/server/relation_pages.py"
#: Numbers that are PostgreSQL's wherever they stand.
NUMBERS = {8192: "BLOCK_BYTES", 2704: "MOST_BTREE_BYTES or MOST_GIN_BYTES", 63: "MOST_BYTES of a name"}
#: Where such a number is another thing.
OTHERWISE = {
    ("capture/samples.py", 8192): "bytes of one sampled value",
    ("documents/bounds.py", 63): "bits of an integer",
}
#: Such quantifiers, and atomic groups.
POSSESSIVE = re.compile(r"[*+?}]\+|\(\?>")
#: The strings of a text.
ENDS = {
    "'a'\nAS": ["'a'"],
    "'a' -- b'\n 'c'\n;": ["'a' -- b'\n 'c'"],
    "'a''' 'b'": ["'a'''", "'b'"],
    "'' \n-- c": ["''"],
    "'a'\r\n--d\n\t'' x": ["'a'\r\n--d\n\t''"],
}
UNQUOTING = re.compile(r"""\[1:-1\]\s*\.replace\(\s*(?:'""'|"\\"\\"")""")


def modules() -> Iterator[tuple[str, str]]:
    package = ROOT / "analyzer"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith("postgres/"):
            yield name, path.read_text(encoding="utf-8")


def numbers_in(text: str) -> set[int]:
    """Return the decimal numbers of a module; 0o77 is a mode."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {int(token.string.replace("_", "")) for token in tokens if re.fullmatch(r"[1-9][\d_]*", token.string)}


def test_no_module_has_a_copy_of_postgresqls_numbers() -> None:
    seen = 0
    copied: list[str] = []
    for name, text in modules():
        seen += 1
        found = [] if name == ALONE else sorted(NUMBERS.keys() & numbers_in(text))
        copied += [f"{name}: {number} is {NUMBERS[number]}" for number in found if (name, number) not in OTHERWISE]
    assert not copied
    assert seen > 200


def test_no_module_unquotes_by_itself() -> None:
    assert UNQUOTING.search("""name[1:-1].replace('""', '"')""")
    assert not [name for name, text in modules() if UNQUOTING.search(text)]


@pytest.mark.parametrize("word", ["pg_default", "POSIX"])
def test_the_words_of_the_catalog_stand_once(word: str) -> None:
    found = [name for name, text in modules() if re.search(rf"""["']{word}["']""", text)]
    # A list of locales to try, and of collations every server has: neither asks whether one sorts by bytes.
    assert found == ([] if word == "pg_default" else ["checks/spec/operator_classes.py", "twin/schema/stand_ins.py"])


def test_the_module_that_is_loaded_alone_has_the_same_constants() -> None:
    assert relation_pages.BLOCK_BYTES == pages.BLOCK_BYTES
    assert relation_pages.SEGMENT_BLOCKS == pages.SEGMENT_BLOCKS


def test_an_access_method_is_registered_everywhere() -> None:
    names = set(get_args(MethodName))
    assert set(METHODS) == set(SIZES) == set(ENTRY_COSTS) == names
    templates = {path.name for path in (ROOT / "sql_templates" / "index").glob("create_*.jinja")}
    assert templates == {f"create_{name}.sql.jinja" for name in names}
    page = (ROOT / "docs" / "access-methods.md").read_text(encoding="utf-8")
    for method in METHODS.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{method.name}` |")]
        cells = [cell.strip() for cell in row.split("|")[3:7]]
        able = (method.multicolumn, method.unique, method.include, method.order)
        assert [cell == "yes" for cell in cells] == list(able), method.name
        named = [name for name in method.parameters if not name.startswith("col")]
        assert not [name for name in named if f"`{name}`" not in row], method.name


def test_a_qualified_name_is_its_pair() -> None:
    name = QualifiedName("shop", "item")
    assert {("shop", "item"): 1}[name] == 1
    assert name == ("shop", "item")


@pytest.mark.parametrize("name", ["item", "Item", 'a "b"', "select", "größe", "1st", "a.b"])
def test_what_is_quoted_unquotes(name: str) -> None:
    assert unquote(quote(name)) == name
    assert bare_name(f"public.{quote(name)}") == name
    assert [token.name for token in lex(quote(name))] == [name]


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("public.vector_l2_ops", "vector_l2_ops"),
        ('"My.Schema"."C.utf8"', "C.utf8"),
        ('"C.utf8"', "C.utf8"),
        ("timestamp with time zone", "timestamp with time zone"),
        (None, ""),
    ],
)
def test_a_bare_name_has_lost_its_schema(written: str | None, bare: str) -> None:
    assert bare_name(written) == bare


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("", ()),
        ('""', ("",)),
        ('"$user", public', ("$user", "public")),
        ('App,"Odd ""One"",two" , o\'clock', ("app", 'Odd "One",two', "o'clock")),
    ],
)
def test_a_setting_that_lists_names_is_read_as_the_server_reads_it(setting: str, names: tuple[str, ...]) -> None:
    assert listed_names(setting) == names


def test_a_long_name_is_cut_at_a_character_and_stays_apart() -> None:
    assert clipped("é" * 40) == "é" * 31
    long = "n" * MOST_BYTES
    assert fits(long)
    assert not fits(long + "n")
    assert with_suffix("n", "_new") == "n_new"
    made = {
        with_suffix(long, "_new"),
        with_suffix(long[:-1] + "m", "_new"),
        shortened(long, of="a"),
        shortened(long, of="b"),
    }
    assert len(made) == 4
    assert all(map(fits, made))
    assert object_name("t" * 60, "c", "idx") == f"{'t' * 57}_c_idx"


def test_names_of_a_text_are_folded_and_unquoted() -> None:
    assert words('SELECT "A ""b""", Foo FROM x -- y') == {"select", 'A "b"', "foo", "from", "x"}


def test_collations_that_compare_bytes() -> None:
    assert all(
        map(is_bytewise, ("C", "POSIX", 'pg_catalog."C"', '"POSIX"', '"pg_catalog"."C"', "pg_catalog.ucs_basic"))
    )
    assert not any(map(is_bytewise, (None, "", "en_US", 'pg_catalog."de-x-icu"')))
    assert not any(map(is_bytewise, ('public."C"', '"C"."en"', '"a.""C"""."POSIX"', '"pg_catalog.C"')))
    assert all(map(is_default, (None, "default", 'pg_catalog."default"')))
    assert not any(map(is_default, ('public."default"', 'pg_catalog."C"')))
    assert is_bytewise_locale("b", "en_US")
    assert is_bytewise_locale("c", "C")
    assert not is_bytewise_locale("i", "C")


def test_lists_follow_the_rows_within_bounds() -> None:
    assert [advised_lists(rows) for rows in (None, 0, 50_000, 1_000_000, 4_000_000)] == [10, 10, 50, 1000, 2000]
    assert advised_lists(1e13) == MOST_LISTS
    assert fewest_rows(None) == 100 * fewest_rows(1)


def test_versions_compare_by_their_numbers() -> None:
    assert numbers("0.8.2") > numbers("0.8.1") > numbers("0.7") > numbers(None)


def test_parameters_are_read_as_the_server_reads_them() -> None:
    assert number_of("bloom", (("length", "0x50"),), "length") == 80
    assert (number_of("hash", (), "fillfactor"), number_of("bloom", (), "col32")) == (75, 2)
    with pytest.raises(ValueError, match="gin has no default of gin_pending_list_limit"):
        number_of("gin", (), "gin_pending_list_limit")
    assert [is_on(text) for text in ("on", "TRUE", "y", "1", "off", "f", "0", "")] == [True] * 4 + [False] * 4


def test_an_extension_is_known_by_its_method_or_its_class() -> None:
    found = {name: extension_of(name) for name in ("hnsw", "bloom", "gin_trgm_ops", "vector_l2_ops", "gin", "int4_ops")}
    assert found == {
        "hnsw": "vector", "bloom": "bloom", "gin_trgm_ops": "pg_trgm", "vector_l2_ops": "vector",
        "gin": None, "int4_ops": None,
    }  # fmt: skip
    assert {"hnsw", "ivfflat"} == SLOW_BUILDS


def test_no_pattern_needs_what_the_oldest_python_gets_wrong() -> None:
    """Python 3.11.2 matches possessive quantifiers and atomic groups around alternatives wrongly."""
    lexer = (ROOT / "analyzer/postgres/lex.py").read_text(encoding="utf-8")
    found = [
        f"{name}: {token.string}"
        for name, text in (*modules(), ("postgres/lex.py", lexer))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.STRING and POSSESSIVE.search(token.string)
    ]
    assert not found


@pytest.mark.parametrize("text", ENDS)
def test_a_string_ends_where_the_server_ends_it(text: str) -> None:
    assert [token.text for token in lex(f"SELECT {text}") if token.kind == "string"] == ENDS[text]
