"""Extended statistics: proposed where they change plans, with evidence, and built as predicted."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.advise.proposal import propose as choose
from analyzer.advise.select import Limits
from analyzer.advise.statistics_evidence import structure
from analyzer.capture.capture import capture
from analyzer.config import TableRule
from analyzer.documents.measured import ExtendedStatistics
from analyzer.documents.snapshot import Snapshot
from analyzer.render.output import render
from analyzer.render.query_text import with_query_text
from analyzer.specs.file import SpecSet, is_statistics, load_specs, set_state
from analyzer.twin.statistics import SampledStatistics
from analyzer.twin.twin import Twin, open_twin
from analyzer.workflows.propose import Proposed, propose, write_proposals
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database
from tests.server.servers import VERSIONS, server_of
from tests.server.spec_project import SpecProject

#: A city is in one country, a branch in one region; a house is anywhere.
SCHEMA = """
CREATE TABLE address (id integer PRIMARY KEY, country text, city text, house integer, note text);
INSERT INTO address
SELECT i, 'country ' || i * 7919 % 40 / 2, 'city ' || i * 7919 % 40, i % 97, repeat('n', 40)
FROM generate_series(1, 60000) AS i;
CREATE INDEX ON address (city);
CREATE TABLE visit (id integer PRIMARY KEY, address_id integer, note text);
INSERT INTO visit SELECT i, i % 60000 + 1, repeat('v', 60) FROM generate_series(1, 120000) AS i;
CREATE INDEX ON visit (address_id);
CREATE TABLE sale (id integer PRIMARY KEY, region integer, branch integer, note text);
INSERT INTO sale SELECT i, i * 7919 % 200 / 2, i * 7919 % 200, repeat('s', 300) FROM generate_series(1, 40000) AS i;
CREATE SCHEMA "o'dd; --";
CREATE TABLE "o'dd; --"."t""able ${x}" (id integer, "A, b" text, "c(d) $1" text, note text);
INSERT INTO "o'dd; --"."t""able ${x}" SELECT id, country, city, note FROM address;
CREATE INDEX ON "o'dd; --"."t""able ${x}" ("A, b");
"""
JOIN = """SELECT v.note FROM address AS a JOIN visit AS v ON v.address_id = a.id
WHERE a.country = 'country 3' AND a.city = 'city 7'"""
GROUP = "SELECT region, branch, max(note) FROM sale GROUP BY region, branch"
ODD = """SELECT v.note FROM "o'dd; --"."t""able ${x}" AS "a'"" $2" JOIN visit AS v ON v.address_id = "a'"" $2".id
WHERE "A, b" = 'country 3' AND "c(d) $1" = 'city 7'"""
#: Nothing is saved so much: the statistics are seen beside the existing indexes alone.
NO_INDEX = Limits(least_saving=0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A database whose columns depend on each other."""

    url: str
    snapshot: Snapshot

    def plan(self, sql: str) -> Any:
        with psycopg.connect(self.url) as connection:
            (found,) = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode()).fetchall()
            return found[0][0]["Plan"]


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The database, captured with rows."""
    with server_of(request) as server, fresh_database(server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET work_mem = '64kB'".encode())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield Live(url=url, snapshot=capture(url, sample_rows=3000, statements=False))


def advise(live: Live, *sql: str, specs: SpecSet | None = None, limits: Limits = NO_INDEX) -> Proposed:
    workload = parse_file(";\n".join(sql))
    return propose(live.snapshot, workload, specs or SpecSet(specs=()), limits=limits)


def without_samples(live: Live) -> Live:
    return replace(live, snapshot=live.snapshot.model_copy(update={"samples": ()}))


def test_a_dependency_that_misleads_a_join_is_proposed_with_rows_and_plans(live: Live) -> None:
    found = advise(live, JOIN)
    (proposal,) = found.document.statistics
    assert proposal.ddl == (
        "CREATE STATISTICS public.st_address_country_city (dependencies) ON country, city FROM public.address"
    )
    (statement,) = proposal.statements
    assert statement.rows_before == pytest.approx(75, rel=0.3)
    assert statement.rows_after == pytest.approx(1500, rel=0.2)
    assert statement.rows_sampled == pytest.approx(1500, rel=0.2)
    before, after = json.dumps(statement.plan_before), json.dumps(statement.plan_after)
    assert ("Nested Loop" in before, "Hash Join" in after) == (True, True)
    assert structure(live.plan(JOIN)) == structure(found.advice.statistics.proposals[0].changed[0].plan_before.tree)
    text = render(found.document, "text")
    assert "st_address_country_city: changes 1 plan, " in text
    for way in ("markdown", "html", "json"):
        assert "st_address_country_city" in render(found.document, way)
    hidden = with_query_text(found.document, "hash").statistics
    assert "country 3" not in "".join(each.model_dump_json() for each in hidden)


def test_what_changes_no_plan_is_not_proposed(live: Live) -> None:
    independent = JOIN.replace("a.city = 'city 7'", "a.house = 7")
    alone = "SELECT note FROM address WHERE country = 'country 3' AND city = 'city 7'"
    found = advise(live, independent, alone)
    assert found.document.statistics == ()
    assert found.advice.not_examined == ()


def test_groups_that_are_fewer_than_expected_change_how_they_are_gathered(live: Live) -> None:
    found = advise(live, GROUP)
    (proposal,) = found.document.statistics
    assert "(ndistinct) ON region, branch FROM public.sale" in proposal.ddl
    (statement,) = proposal.statements
    assert (statement.rows_before, statement.rows_after, statement.rows_sampled) == (4000, 200, 200)
    (changed,) = found.advice.statistics.proposals[0].changed
    assert (changed.plan_before.tree["Strategy"], changed.plan_after.tree["Strategy"]) == ("Sorted", "Hashed")


def test_indexes_are_chosen_as_without_statistics_and_are_seen_by_their_trial(live: Live) -> None:
    limits = Limits()
    with_them = advise(live, JOIN, GROUP, limits=limits)
    with open_twin(live.snapshot) as twin:
        without = choose(twin, parse_file(f"{JOIN};\n{GROUP}"), limits=limits)
    assert [each.built.index for each in with_them.advice.proposals] == [each.built.index for each in without.proposals]
    changed = [each for proposal in with_them.advice.statistics.proposals for each in proposal.changed]
    assert {index for each in changed for index in each.plan_before.indexes} & {
        each.name for each in with_them.document.proposals
    }


def test_without_a_sample_it_is_said_where_it_matters(live: Live) -> None:
    bare = without_samples(live)
    (gap,) = advise(bare, JOIN, GROUP).advice.not_examined
    assert gap.what == "extended statistics"
    assert (
        "2 plans would change if the columns of public.address (country, city), public.sale (region, branch)"
        in gap.reason
    )
    assert advise(bare, "SELECT note FROM address WHERE country = 'a' AND city = 'b'").advice.not_examined == ()


def test_odd_names_are_quoted_everywhere(live: Live, tmp_path: Path) -> None:
    found = advise(live, ODD)
    (proposal,) = found.document.statistics
    assert proposal.statements[0].rows_sampled is not None
    write_proposals(tmp_path / "specs", found.advice)
    (spec,) = [each for each in load_specs(tmp_path / "specs").specs if is_statistics(each)]
    assert spec.spec.definition(spec.schema, spec.table).ddl() == proposal.ddl


def test_what_a_spec_declares_is_not_proposed_again(live: Live, tmp_path: Path) -> None:
    directory = tmp_path / "specs"
    first = advise(live, JOIN)
    write_proposals(directory, first.advice)
    for state in ("proposed", "approved", "rejected", "retired"):
        set_state(directory, ["st_address_country_city"], state)
        again = advise(live, JOIN, specs=load_specs(directory))
        assert again.document.statistics == ()
        refusals = [each.reason for each in again.document.not_proposed if "STATISTICS" in (each.ddl or "")]
        assert all(f"({state})" in reason for reason in refusals)
        assert bool(refusals) == (state in ("rejected", "retired"))
    path = next(directory.glob("*.yaml"))
    lapsed = date(live.snapshot.captured_at.year - 1, 1, 1)
    path.write_text(path.read_text().replace("state: retired", f"state: rejected\n    until: {lapsed}"))
    again = advise(live, JOIN, specs=load_specs(directory))
    assert [each.name for each in again.document.statistics] == ["st_address_country_city"]
    assert write_proposals(directory, again.advice) == (path,)
    assert [spec.spec.state for spec in load_specs(directory).specs] == ["proposed"]


def test_the_samples_statistics_are_near_those_of_the_server(live: Live) -> None:
    with psycopg.connect(live.url) as connection:
        connection.execute("CREATE STATISTICS st_live ON country, city, house FROM address")
        connection.execute("ANALYZE address")
        (row,) = connection.execute(
            "SELECT n_distinct::text, dependencies::text, most_common_freqs FROM pg_stats_ext"
        ).fetchall()
        connection.rollback()
    definition = advise(live, JOIN).advice.statistics.proposals[0].definition
    wanted = replace(definition, kinds=(), columns=("country", "city", "house"))
    with open_twin(live.snapshot) as twin:
        learnt = twin.sampled.learn(wanted)
    assert learnt is not None
    (data,) = learnt.data
    distinct = {each.keys: each.distinct for each in data.distinct or ()}
    server = {tuple(int(n) for n in key.split(",")): value for key, value in json.loads(row[0]).items()}
    assert distinct[0, 1] == server[2, 3] == 40
    assert distinct[0, 1, 2] == pytest.approx(server[2, 3, 4], rel=0.1)
    assert max(each.degree for each in data.dependencies or ()) == 1.0


def test_a_server_that_dies_shows_the_statistics_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = render(advise(live, JOIN).document, "json")
    real, show, shown, died = Twin.plan_all, SampledStatistics.show, list[int](), list[int]()

    def showing(sampled: SampledStatistics, statistics: Sequence[ExtendedStatistics]) -> None:
        show(sampled, statistics)
        shown.append(len(statistics))

    def dying(twin: Twin, *args: Any, **more: Any) -> Any:
        if shown and shown[-1] and not died:
            died.append(1)
            twin.built.inflated.captured.close()
        return real(twin, *args, **more)

    monkeypatch.setattr(SampledStatistics, "show", showing)
    monkeypatch.setattr(Twin, "plan_all", dying)
    assert render(advise(live, JOIN).document, "json") == expected
    assert died


def test_what_is_written_approved_and_deployed_gives_the_predicted_plans(live: Live, tmp_path: Path) -> None:
    project = SpecProject(tmp_path, live.url)
    found = advise(live, JOIN, GROUP)
    write_proposals(project.specs, found.advice)
    names = [each.name for each in found.document.statistics]
    set_state(project.specs, names, "approved")
    project.revise()
    project.upgrade()
    for proposal in found.advice.statistics.proposals:
        for each in proposal.changed:
            assert structure(live.plan(each.item.statement.text)) == structure(each.plan_after.tree)
    captured = replace(live, snapshot=capture(live.url, sample_rows=3000, statements=False))
    assert advise(captured, JOIN, GROUP).document.statistics == ()


@pytest.mark.parametrize("settings", [{"propose": False}, {"without_columns": ("city",)}])
def test_a_rule_forbids_statistics(live: Live, settings: dict[str, Any]) -> None:
    rule = TableRule(tables=("public.address",), **settings)
    found = advise(live, JOIN, limits=replace(NO_INDEX, rules=(rule,)))
    assert found.document.statistics == ()
    (refused,) = (each for each in found.document.not_proposed if (each.ddl or "").startswith("CREATE STATISTICS"))
    assert refused.reason.startswith("rule 1 of [tool.twindex] forbids proposals ")


def test_a_table_whose_statistics_are_stale_is_to_be_analyzed(live: Live) -> None:
    changed = [
        each.model_copy(
            update={
                "activity": each.activity.model_copy(update={"modified_since_analyze": 9_000}),
                "parameters": ("autovacuum_analyze_scale_factor=0.1",) if each.name == "visit" else (),
            }
        )
        if each.activity is not None
        else each
        for each in live.snapshot.relations
    ]
    stale = replace(live, snapshot=live.snapshot.model_copy(update={"relations": tuple(changed)}))
    found = advise(stale, JOIN)
    (advice,) = found.document.analyze
    assert advice.ddl == "ANALYZE public.address"
    assert advice.reason.startswith("9,000 rows changed since the last ANALYZE (15 % of its rows)")
    assert advice.threshold_rows == pytest.approx(6050)
    assert "ANALYZE public.address;" in render(found.document, "text")
    assert advise(live, JOIN).document.analyze == ()
