"""Text becomes SQL in one place only, and nothing gets there unquoted."""

import ast
import re
from functools import cache
from pathlib import Path

import jinja2
import pytest

from analyzer import sql
from analyzer.errors import InputError
from analyzer.sql import (
    conforming,
    deparsed,
    environment,
    expression,
    ident,
    literal,
    qualified,
    render_text,
    template_dir,
)

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path.relative_to(template_dir()).as_posix() for path in template_dir().rglob("*.jinja"))


@pytest.mark.parametrize(
    ("names", "quoted"),
    [
        (("product",), "product"),
        (("shop", "product"), "shop.product"),
        (("Shop", "Order Items"), '"Shop"."Order Items"'),
        (("order",), '"order"'),
        (("between",), '"between"'),
        (("name",), "name"),
        (("1st",), '"1st"'),
        (("_x9",), "_x9"),
        (("a$b",), '"a$b"'),
        (('say "hi"',), '"say ""hi"""'),
        (("größe",), '"größe"'),
        (("x; DROP TABLE y",), '"x; DROP TABLE y"'),
    ],
)
def test_ident_quotes_where_it_must(names: tuple[str, ...], quoted: str) -> None:
    assert ident(*names) == quoted


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_ident_refuses_what_no_server_holds(name: str) -> None:
    with pytest.raises(InputError, match="is not a valid name"):
        ident(name)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("jsonb_path_ops", "jsonb_path_ops"),
        ("public.gin_trgm_ops", "public.gin_trgm_ops"),
        ('pg_catalog."C.utf8"', 'pg_catalog."C.utf8"'),
        ('"C.utf8"', '"C.utf8"'),
        ("C", '"C"'),
        ("x; DROP", '"x; DROP"'),
    ],
)
def test_qualified_understands_quotes(text: str, quoted: str) -> None:
    assert qualified(text) == quoted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("it's", "'it''s'"),
        ("50%", "'50%'"),
        ("back\\slash", "E'back\\\\slash'"),
        (5, "5"),
        (-1, "-1"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "NULL"),
    ],
)
def test_literal_writes_a_constant(value: sql.Scalar, written: str) -> None:
    assert literal(value) == written


@pytest.mark.parametrize(
    "text",
    [
        "status <> 'it''s'",
        "attributes ->> 'brand'",
        "lower(name || ';')",
        "(tags)[1]",
        "note LIKE '%--%' AND \"a;b\" > 1",
        " $$a;b$$ = x ",
    ],
)
def test_expression_admits_one_expression(text: str) -> None:
    assert expression(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "true; DROP TABLE x",
        "true -- and more",
        "true /* and more */",
        "lower(name",
        "name) WHERE (true",
        "tags[1)]",
        "'open",
        '"open',
        r"note = '\'' ; select nextval($$hits$$) --'",
        r"name ~ '^\d+$'",
        r"name ~ N'\d'",
        "a = $1",
        "a = 1b",
        "a = 0x1F$$x$$",
        "a\u2028$$ ; select 1 --$$",
        "a\0b",
        "a = '\ud800'",
        "(" * 201 + "a" + ")" * 201,
        "a" * 100_001,
    ],
)
def test_expression_refuses_what_could_leave_its_place(text: str) -> None:
    with pytest.raises(InputError, match="expression") as raised:
        expression(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        (r"name ~ '^\d+$'::text", r"name ~ E'^\\d+$'::text"),
        (r"name = 'it''s \'", r"name = E'it''s \\'"),
        (r"date'\1'", r"date E'\\1'"),
        (r"name ~ E'\\d' AND \"a\b\" = U&'\0041' AND c = 'd'", r"name ~ E'\\d' AND \"a\b\" = U&'\0041' AND c = 'd'"),
        ("'open \\", "'open \\"),
    ],
)
def test_what_a_server_printed_is_read_alike_by_every_server(printed: str, written: str) -> None:
    assert conforming(printed) == written
    assert conforming(written) == written


def test_a_template_writes_what_a_server_printed_so_that_every_server_reads_it() -> None:
    template = environment().from_string("WHERE {{ x | expression }}")
    assert template.render(x=r"name ~ '\d'") == r"WHERE name ~ E'\\d'"
    with pytest.raises(InputError, match="semicolon"):
        template.render(x=r"name ~ '\'; DROP TABLE x")


@pytest.mark.parametrize("value", ["x", 1, None, ["a"]])
def test_a_bare_value_raises(value: object) -> None:
    with pytest.raises(jinja2.TemplateRuntimeError, match="reached SQL without"):
        environment().from_string("SELECT {{ x }}").render(x=value)


def test_a_missing_value_raises() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("SELECT {{ x | ident }}").render()


def test_quoted_values_pass() -> None:
    text = environment().from_string("{{ a | ident }} {{ b | literal }} {{ c | names }} {{ d | deparsed }}")
    assert text.render(a="A", b="b", c=("c", "C"), d="d") == '"A" \'b\' c, "C" d'
    assert deparsed("x") == "x"


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="SQL template 'no/such"):
        render_text("no/such")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_compiles_and_says_first_what_it_does(template: str) -> None:
    text = (template_dir() / template).read_text(encoding="utf-8")
    assert re.match(r"\{#-? \S", text), "begin with {# what, which views, quirks #}"
    environment().get_template(template)
    assert not text.rstrip().endswith(";"), "one statement, without its semicolon"


def test_every_template_is_used() -> None:
    unused = [template for template in TEMPLATES if not _is_used(template.removesuffix(".sql.jinja"))]
    assert unused == []


def test_the_search_for_uses_finds_none_for_an_invented_template() -> None:
    assert not any(_is_used(f"{room}/no_such_template") for room in ("twin", "capture", "demo/workload"))


def _is_used(name: str) -> bool:
    constants, patterns = _strings()
    if name in constants or f"{name}.sql.jinja" in _included():
        return True
    matches = (pattern.fullmatch(name) for pattern in patterns)
    return any(match is not None and constants.issuperset(match.groups()) for match in matches)


@cache
def _strings() -> tuple[set[str], set[re.Pattern[str]]]:
    """Return the strings of package and benchmarks, and what f-strings can be: each field is one of the strings."""
    constants: set[str] = set()
    patterns: set[re.Pattern[str]] = set()
    for path in (*(ROOT / "analyzer").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value)
            elif isinstance(node, ast.JoinedStr) and len(node.values) > 1:
                patterns.add(re.compile("".join(_pattern(part) for part in node.values)))
    return constants, patterns


def _pattern(part: ast.expr) -> str:
    return re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"([a-z_]+)"


@cache
def _included() -> set[str]:
    texts = "".join((template_dir() / template).read_text(encoding="utf-8") for template in TEMPLATES)
    return set(re.findall(r'\{%-? (?:include|import|from|extends) "([^"]+)"', texts))
