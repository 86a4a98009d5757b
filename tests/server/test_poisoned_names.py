"""A database whose every name is one that people should not give gets the same proposals as one with plain names."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
import pytest

from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.capture.capture import capture
from analyzer.objects.index import IndexDef
from analyzer.postgres.lex import lex
from analyzer.sql import ident
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database
from tests.server.random_schemas import hostile_name
from tests.server.test_random_schemas import run

#: Names stand between guillemets. As many rows as ANALYZE reads all of, so that statistics are the same every time.
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SCHEMA «shop»;
CREATE SCHEMA «stock»;
CREATE TYPE «shop».«mood» AS ENUM ('fine', 'bad');
CREATE DOMAIN «shop».«code» AS varchar(20);
CREATE TABLE «stock».«vendor» (
    «id» integer PRIMARY KEY, «handle» text NOT NULL UNIQUE, «region» text, «rating» numeric);
INSERT INTO «stock».«vendor» SELECT i, 'handle ' || i, 'region ' || i % 10, i % 7 FROM generate_series(1, 8000) AS i;
CREATE TABLE «shop».«item» (
    «id» bigint PRIMARY KEY, «vendor_id» integer REFERENCES «stock».«vendor» ON DELETE CASCADE, «kind» text,
    «price» numeric, «created» timestamp, «active» boolean, «deleted» timestamptz, «facts» jsonb, «tags» text[],
    «label» varchar(80), «document» tsvector, «period» int4range, «address» inet, «feeling» «shop».«mood»,
    «sku» «shop».«code»);
INSERT INTO «shop».«item»
SELECT i, i % 8000 + 1, 'kind ' || i % 700, i % 977, timestamp '2020-01-01' + i * interval '1 hour', i % 20 > 0,
       CASE WHEN i % 50 = 0 THEN timestamptz '2024-01-01' END, jsonb_build_object('brand', i % 900),
       ARRAY['t' || i % 500], 'label ' || md5(i::text), to_tsvector('simple', 'word' || i % 800), int4range(i, i + 5),
       ('10.0.' || i % 200 || '.' || i % 250)::inet, 'fine', 'c' || i % 5000
FROM generate_series(1, 25000) AS i;
CREATE TABLE «shop».«sale» (
    «id» bigint PRIMARY KEY, «item_id» bigint REFERENCES «shop».«item», «sold» date, «amount» integer, «note» text);
INSERT INTO «shop».«sale»
SELECT i, i % 25000 + 1, date '2020-01-01' + i / 20, i % 90, repeat('n', 60) FROM generate_series(1, 29000) AS i;
CREATE VIEW «shop».«recent» AS
SELECT s.«id» AS «sale_id», s.«item_id» AS «what», s.«sold» AS «day» FROM «shop».«sale» AS s WHERE s.«amount» > 5;
CREATE INDEX «item_kind_key» ON «shop».«item» («kind», «active»);
VACUUM ANALYZE
"""
WORKLOAD = """
SELECT «label» FROM «shop».«item» WHERE «vendor_id» = 17;
SELECT «i».«label», «v».«region» FROM «shop».«item» AS «i» JOIN «stock».«vendor» AS «v» ON «v».«id» = «i».«vendor_id»
WHERE «v».«region» = 'region 3' AND «i».«price» > 970 ORDER BY «i».«created» DESC LIMIT 5;
SELECT «id» FROM «shop».«item» WHERE «active» AND «price» = 7 ORDER BY «created» LIMIT 10;
SELECT «id» FROM «shop».«item» WHERE «deleted» IS NOT NULL AND «created» > '2022-11-01';
SELECT «id» FROM «shop».«item» WHERE «facts» @> '{"brand": 7}';
SELECT «id» FROM «shop».«item» WHERE «facts» ->> 'brand' = '9';
SELECT «id» FROM «shop».«item» WHERE «tags» @> ARRAY['t7'];
SELECT «id» FROM «shop».«item» WHERE «label» ILIKE '%abcde%';
SELECT «id» FROM «shop».«item» WHERE lower(«label») = 'label x';
SELECT «id» FROM «shop».«item» WHERE «document» @@ to_tsquery('simple', 'word7');
SELECT «id» FROM «shop».«item» WHERE «period» && int4range(5, 9);
SELECT «id» FROM «shop».«item» WHERE «address» << inet '10.0.7.0/24';
SELECT «id» FROM «shop».«item» WHERE «feeling» = 'bad' AND «sku» = 'c7';
WITH «big» AS (SELECT «item_id» AS «it», sum(«amount») AS «total» FROM «shop».«sale»
    WHERE «sold» = '2021-05-05' GROUP BY «item_id»)
SELECT «it» FROM «big» WHERE «total» > 3;
SELECT «what» FROM «shop».«recent» WHERE «day» = '2022-02-02';
SELECT «kind», count(*) FROM «shop».«item» WHERE «created» BETWEEN '2021-01-01' AND '2021-01-03' GROUP BY «kind»;
UPDATE «shop».«sale» SET «note» = 'x' WHERE «item_id» = 5 AND «amount» = 7;
DELETE FROM «stock».«vendor» WHERE «id» = 7999;
SELECT «v».«id» FROM «stock».«vendor» AS «v»
WHERE «v».«rating» = 3 AND EXISTS (
    SELECT FROM «shop».«item» AS «i» WHERE «i».«vendor_id» = «v».«id» AND «i».«sku» = 'c9')
"""
#: So little that indexes of every kind are proposed.
LEAST_SAVING = 1e-4
NAMES = tuple(dict.fromkeys(re.findall("«([^»]+)»", SCHEMA + WORKLOAD)))


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal with plain names."""

    index: IndexDef
    size_bytes: int
    costs: tuple[float, float]
    share: float
    helped: int


def poisoned(seed: int) -> dict[str, str]:
    """Give each name another one that is hostile."""
    chance = random.Random(seed)
    return {name: hostile_name(number, chance) for number, name in enumerate(NAMES)}


def written(text: str, names: dict[str, str]) -> str:
    return re.sub("«([^»]+)»", lambda found: ident(names[found[1]]), text)


def advise(server: str, names: dict[str, str]) -> Advice:
    with fresh_database(server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in written(SCHEMA, names).split(";\n"):
                run(connection, statement)
        snapshot = capture(url, statements=False, allow_superuser=True)
    workload = parse_file(written(WORKLOAD, names))
    assert not workload.not_examined
    with open_twin(snapshot) as twin:
        return propose(twin, workload, limits=Limits(least_saving=LEAST_SAVING))


def renamed(text: str | None, back: dict[str, str]) -> str | None:
    """Write SQL as it would be with plain names."""
    if text is None:
        return None
    parts, position = list[str](), 0
    for token in lex(text):
        is_known = token.kind in ("word", "quoted") and token.name in back
        parts += [text[position : token.start], ident(back[token.name]) if is_known else token.text]
        position = token.end
    return "".join((*parts, text[position:]))


def plain(index: IndexDef, back: dict[str, str]) -> IndexDef:
    """Return the index as it would be with plain names, apart from its own."""
    keys = tuple(
        replace(
            key,
            column=None if key.column is None else back[key.column],
            expression=renamed(key.expression, back),
        )
        for key in index.keys
    )
    return replace(
        index,
        schema=back[index.schema],
        table=back[index.table],
        name="",
        keys=keys,
        include=tuple(sorted(back[each] for each in index.include)),
        where=renamed(index.where, back),
    )


def proposed(advice: Advice, names: dict[str, str]) -> Sequence[Proposed]:
    back = {hostile: name for name, hostile in names.items()}
    found = [
        Proposed(
            index=plain(each.built.index, back),
            size_bytes=each.built.size_bytes,
            costs=(round(each.cost_before, 2), round(each.cost_after, 2)),
            share=round(each.share_of_time, 6),
            helped=len(each.effects),
        )
        for each in advice.proposals
    ]
    return sorted(found, key=lambda each: repr(each.index))


@pytest.fixture(scope="module")
def plainly(server: str) -> Sequence[Proposed]:
    """What is proposed with plain names."""
    names = {name: name for name in NAMES}
    return proposed(advise(server, names), names)


def test_plain_names_get_proposals_of_many_kinds(plainly: Sequence[Proposed]) -> None:
    assert len(plainly) >= 10
    assert {each.index.method for each in plainly} >= {"btree", "gin"}
    assert any(each.index.where for each in plainly)
    assert any(key.expression for each in plainly for key in each.index.keys)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_hostile_names_get_the_same(server: str, plainly: Sequence[Proposed], seed: int) -> None:
    names = poisoned(seed)
    advice = advise(server, names)
    assert not [gap for gap in advice.not_examined if "statement" in gap.what]
    assert list(proposed(advice, names)) == list(plainly)
