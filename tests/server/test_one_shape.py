"""What is one shape costs the same on the twin, and one statement is one shape however it is written."""

import random
from collections import defaultdict
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.advise.proposal import propose
from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.twin.twin import Twin, open_twin
from analyzer.workload.canonical_form import canonical_form
from analyzer.workload.parse import parse_statements
from tests.conftest import fresh_database
from tests.server.random_schemas import created, random_tables
from tests.server.random_statements import Statements, Style
from tests.server.test_random_schemas import as_if_large, run
from tests.unit.catalogs import recorded

TABLES = random_tables(random.Random(14))
#: As mappers write them: each group asks the same.
REAL = (
    (
        """SELECT "blog_post"."title", "blog_post"."id" FROM "blog_post"
           INNER JOIN "author" ON ("blog_post"."author_id" = "author"."id")
           WHERE "author"."name" = $1 ORDER BY "blog_post"."created" DESC LIMIT $2""",
        """select b1_0.id, b1_0.title as col_1 from blog_post b1_0 join author a1_0 on b1_0.author_id=a1_0.id
           where a1_0.name=$1 order by b1_0.created desc fetch first $2 rows only""",
    ),
    (
        """SELECT count(*) AS count_1 FROM (SELECT blog_post.id AS blog_post_id FROM blog_post
           WHERE blog_post.score > $1) AS anon_1""",
        """SELECT COUNT(*) FROM (SELECT "p0"."id" AS "p0_id" FROM "public"."blog_post" AS "p0"
           WHERE ("p0"."score" > $1)) AS "subquery\"""",
    ),
    (
        "SELECT p.id FROM blog_post p WHERE p.author_id IN ($1, $2, $3) AND p.score > $4",
        "SELECT x.id /* controller='posts' */ FROM blog_post AS x WHERE x.author_id IN ($1, $2, $3) AND x.score > $4",
    ),
    (
        "UPDATE blog_post SET score = blog_post.score + $1 WHERE blog_post.id = $2",
        'UPDATE "blog_post" AS "b" SET "score" = "b"."score" + $1 WHERE "b"."id" = $2',
    ),
    (
        "SELECT author_id a, max(created) FROM blog_post GROUP BY 1 HAVING count(*) > $1 ORDER BY a",
        """SELECT max(b.created) AS latest, b.author_id FROM blog_post b GROUP BY b.author_id HAVING count(*) > $1
           ORDER BY b.author_id""",
    ),
    (
        "SELECT id FROM blog_post WHERE author_id IN ($1, $2)",
        'SELECT "id" FROM "blog_post" WHERE "author_id" = ANY (ARRAY[$1, $2])',
    ),
    (
        "SELECT p.id FROM blog_post p WHERE p.score BETWEEN $1 AND $2 AND p.author_id = $3",
        "SELECT p.id FROM blog_post p WHERE (p.author_id = $1 AND p.score >= $2) AND p.score <= $3",
    ),
    (
        "SELECT p.title FROM blog_post p, author a WHERE p.author_id = a.id AND a.name = $1 AND p.score > $2",
        "SELECT p.title FROM blog_post p CROSS JOIN author a WHERE p.score > $1 AND p.author_id = a.id AND a.name = $2",
        "SELECT p.title FROM blog_post p JOIN author a ON p.author_id = a.id AND p.score > $1 WHERE a.name = $2",
    ),
    ("SELECT id FROM blog_post ORDER BY score LIMIT ALL", "SELECT id FROM blog_post ORDER BY score LIMIT NULL"),
)
BLOG = """
CREATE TABLE author (id integer PRIMARY KEY, name text);
CREATE TABLE blog_post (id integer PRIMARY KEY, author_id integer, title text, created timestamptz, score integer);
INSERT INTO author SELECT i, 'name ' || i % 900 FROM generate_series(1, 2000) AS i;
INSERT INTO blog_post SELECT i, i % 2000, 'title ' || i, now() - i * interval '1 hour', i % 5000
FROM generate_series(1, 40000) AS i;
VACUUM ANALYZE
"""


@pytest.fixture(scope="module")
def twin(server: str) -> Iterator[Twin]:
    """A twin of random tables and those of a blog."""
    with fresh_database(server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (*BLOG.split(";\n"), *created(TABLES)):
                run(connection, statement)
        with open_twin(as_if_large(capture(url, statements=False, allow_superuser=True))) as opened:
            yield opened


@pytest.mark.parametrize("texts", REAL)
def test_what_mappers_write_in_several_ways_is_one_and_costs_the_same(twin: Twin, texts: tuple[str, ...]) -> None:
    entries = [recorded(text, queryid=str(place), rows=500) for place, text in enumerate(texts)]
    workload = parse_statements(twin.snapshot.model_copy(update={"statements": tuple(entries)}))
    assert len({round(twin.plan(each.plannable).cost, 2) for each in workload.statements}) == 1
    advice = propose(twin, workload)
    (only,) = advice.statements
    assert {each.id for each in only.statement.members} == {each.id for each in workload.statements}
    assert (only.statement.calls, only.share_of_time) == (100 * len(texts), 1)
    assert not [gap for gap in advice.not_examined if "statement" in gap.what]


def agree(twin: Twin, seeds: range) -> None:
    """Check both laws over some statements, each in three styles."""
    catalog = Catalog(twin.snapshot)
    costs: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for seed in seeds:
        forms: set[str] = set()
        for style in range(3):
            made = Statements(TABLES, random.Random(seed), Style(random.Random(f"{seed} {style}")))
            text = made.statement()
            form = canonical_form(text, catalog, is_limit_counted=False)
            assert form is not None, text
            forms.add(form.text)
            costs[form.text][text] = round(twin.plan(text).cost, 2)
        assert len(forms) == 1, seed
    for texts in costs.values():
        assert len(set(texts.values())) == 1, texts
    assert len(costs) > len(seeds) / 2


@given(first=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_a_statement_is_one_shape_however_it_is_written(twin: Twin, first: int) -> None:
    agree(twin, range(first, first + 20))


@pytest.mark.slow
def test_many_more_are(twin: Twin) -> None:
    agree(twin, range(600))
