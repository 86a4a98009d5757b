"""A grammar of index definitions, in every manner of writing that a server prints in another."""

from hypothesis import strategies as st

#: The columns that the grammar speaks of.
TABLE = """
CREATE TYPE mood AS ENUM ('new', 'paid', 'it''s');
CREATE DOMAIN code AS varchar(20);
CREATE TABLE g (
    v varchar(20), s text, c char(5), n numeric(10,2), i int, b bigint, k smallint, d date, ts timestamp,
    tz timestamptz, f boolean, r real, j jsonb, a text[], va varchar[], e mood, o code, u uuid, iv interval, p bit(4)
);
"""

TEXTS = ("v", "s", "c", "o", "lower(v)", "coalesce(v, 'none')", "v || 'x'", "j ->> 'k'", "substring(s from 1 for 2)",
         "trim(both from v)", "upper(c)", "v::varchar(5)", "s::varchar", "(va)[1]", 'v COLLATE "C"',
         "CASE WHEN f THEN v ELSE s END", "nullif(v, '')", "left(s, 3)", "replace(v, 'a', 'b')")  # fmt: skip
NUMBERS = ("i", "b", "k", "n", "r", "i + 1", "-i", "n::int", "i::bigint", "n::numeric(5,1)", "abs(i)", "length(v)",
           "(j ->> 'n')::int", "coalesce(i, 0)", "greatest(i, k)", "b % 7", "cardinality(a)", "i # 3", "n * 1.10",
           "extract(year from ts)", "position('a' in s)", "least(i, 2.5)")  # fmt: skip
WORDS = ("'a'", "'new'", "'it''s'", "'%_'", "''", "'ü'", "'NULL'", "E'a\\\\b'", "'Z '")
FIGURES = ("0", "1", "-1", "2.50", "10000000000", "'3'", "1e3", "1::smallint")

_texts, _numbers, _words, _figures = (st.sampled_from(each) for each in (TEXTS, NUMBERS, WORDS, FIGURES))
_many_words = st.lists(_words, min_size=1, max_size=3, unique=True).map(", ".join)
_many_figures = st.lists(_figures, min_size=1, max_size=3, unique=True).map(", ".join)

FIXED = (
    "d >= '2020-01-01'", "ts < '2020-01-01 10:00'", "d BETWEEN '2020-01-01' AND date '2021-01-01'", "f", "NOT f",
    "f IS NOT TRUE", "e IN ('new', 'paid')", "e = ANY (ARRAY['new'::mood])", "e NOT IN ('paid')", "e > 'new'",
    "a && ARRAY['x', 'y']", "a @> '{x}'", "va @> ARRAY['x']::varchar[]", "a = '{}'", "'x' = ANY (a)",
    "j @> '{\"k\": 1}'",
    "j ? 'k'", "j ?| ARRAY['k', 'l']", "u = '00000000-0000-0000-0000-000000000000'", "iv > '1 day'",
    "iv > interval '1' day", "p = B'0101'", "(i, b) > (1, 2)", "(v, s) = ('a', 'b')", "v IS DISTINCT FROM s",
    "(ts AT TIME ZONE 'UTC') > '2020-01-01'", "(i IS NULL) = f", "NOT (i IS NULL OR v IS NULL)", "i::text = '1'",
    "(i)::varchar IN ('1', '2')", "ROW(i, k) IS NOT NULL", "v SIMILAR TO 'a%'", "v ~ '^[a-z]+$'", "v !~* 'x'",
    "i = ANY ('{1,2}')", "k IN (1, 2)", "b IN (1, 2)", "n IN (1, 2.5)", "r IN (1, 2)", "c IN ('a', 'b')",
    "o IN ('a', 'b')", "v = ANY (ARRAY['a', 'b']::varchar[])", "v = ANY ('{a,b}'::varchar[])",
    "v = ANY (ARRAY['a', 'b']::text[])", "v = ANY (ARRAY['a'::varchar(5), 'b'])", "s = ANY (ARRAY['a', 'b'])",
    "v <> ALL (ARRAY['a', 'b'])", "v LIKE ANY (ARRAY['a%', 'b%'])", "(v IN ('a', 'b')) IS TRUE",
    "CASE v WHEN 'a' THEN true ELSE v IN ('x', 'y') END", "d - date '2020-01-01' > 7", "j -> 'k' = '1'",
    "j #>> '{a,b}' IN ('x')", "overlay(s placing 'x' from 1) = 'xa'", "ts::date IN ('2020-01-01', '2020-02-01')",
    "v < 'a' COLLATE \"C\"", "xmlcomment(s) IS NOT NULL", "i BETWEEN SYMMETRIC 5 AND 1", "f = (i = 1)",
    "(i IN (1, 2)) = (v IN ('a', 'b'))", "a[1:2] = ARRAY['a', 'b']", "array_length(va, 1) IN (1, 2)",
)  # fmt: skip

_simple = st.one_of(
    st.sampled_from(FIXED),
    st.builds("{} IN ({})".format, _texts, _many_words),
    st.builds("{} NOT IN ({})".format, _texts, _many_words),
    st.builds("{} {} {}".format, _texts, st.sampled_from(("=", "<>", "<", "LIKE", "NOT LIKE", "ILIKE", "~")), _words),
    st.builds("{} IN ({})".format, _numbers, _many_figures),
    st.builds("{} NOT IN ({})".format, _numbers, _many_figures),
    st.builds("{} {} {}".format, _numbers, st.sampled_from(("=", "<>", "<", ">=")), _figures),
    st.builds("{} BETWEEN {} AND {}".format, _numbers, _figures, _figures),
    st.builds("{} IS NOT NULL".format, st.one_of(_texts, _numbers)),
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({}) AND ({})".format, inner, inner),
        st.builds("({}) OR ({})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
        st.builds("coalesce({}, false)".format, inner),
        st.builds("(CASE WHEN {} THEN {} END) IS TRUE".format, inner, inner),
    )


PREDICATES = st.recursive(_simple, _combined, max_leaves=4)
EXPRESSIONS = st.one_of(_texts.filter(lambda text: not text.isalpha()), _numbers, PREDICATES)

BOOLEANS = ("true", "false", "on", "off", "yes", "no", "1", "0", "'ON'", "'False'", "'t'", "'of'")
#: Method, key and parameters of an index, as YAML.
PARAMETERS = st.one_of(
    st.tuples(st.just("btree"), st.just("i"), st.builds("fillfactor: {}".format, _of := st.sampled_from(
        ("70", "'070'", "'70.0'", "'7e1'", "'0x46'", "100")
    ))),
    st.tuples(st.just("btree"), st.just("s"), st.builds("deduplicate_items: {}".format, st.sampled_from(BOOLEANS))),
    st.tuples(st.just("gin"), st.just("a"), st.builds("fastupdate: {}".format, st.sampled_from(BOOLEANS))),
    st.tuples(st.just("gin"), st.just("j"), st.builds("gin_pending_list_limit: {}".format, st.sampled_from(
        ("64", "'4096'", "'0x1000'", "'04096'")
    ))),
    st.tuples(st.just("brin"), st.just("ts"), st.builds("pages_per_range: {}, autosummarize: {}".format,
        st.sampled_from(("16", "'016'", "'16.0'")), st.sampled_from(BOOLEANS),
    )),
    st.tuples(st.just("hash"), st.just("v"), st.builds("fillfactor: {}".format, _of)),
)  # fmt: skip


@st.composite
def specs(draw: st.DrawFn, least: int = 6, most: int = 12) -> list[str]:
    """Return the specs of some indexes on the table, one line of YAML each."""
    found: list[str] = []
    for number in range(draw(st.integers(least, most))):
        method, key, parameters = draw(PARAMETERS)
        expression = draw(EXPRESSIONS) if method == "btree" and draw(st.booleans()) else None
        keys = key if expression is None else f"{{expression: {quoted(expression)}}}"
        where = f", where: {quoted(draw(PREDICATES))}" if draw(st.booleans()) else ""
        chosen = f", with: {{{parameters}}}" if draw(st.booleans()) else ""
        found.append(f"{{name: ix_{number}, method: {method}, keys: [{keys}]{where}{chosen}}}")
    return found


def quoted(text: str) -> str:
    """Write a text as YAML."""
    return "'" + text.replace("'", "''") + "'"
