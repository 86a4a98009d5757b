"""One notion of sameness: what was deployed from a spec is what the spec declares, in every command."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from tests.conftest import fresh_database
from tests.server.definitions import FIXED, TABLE, quoted, specs
from tests.server.spec_project import UNMODELLED, SpecProject, names
from tests.server.test_check import check, found


@pytest.fixture
def grammar(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    """A project with the table of the grammar, which no model declares."""
    with fresh_database(any_server) as url:
        project = SpecProject(tmp_path, url, env={"options": UNMODELLED})
        project.run(TABLE)
        yield project


@pytest.fixture
def latest(tmp_path: Path, database: str) -> SpecProject:
    """The same on the newest version alone."""
    project = SpecProject(tmp_path, database, env={"options": UNMODELLED})
    project.run(TABLE)
    return project


def buildable(project: SpecProject) -> bool:
    """Leave out what PostgreSQL itself rejects, for the grammar knows few types; say whether anything is left."""
    kept: list[str] = []
    lines = (project.specs / "g.yaml").read_text().splitlines()
    with connect(project.url) as connection:
        for spec in load_specs(project.specs).specs:
            definition = spec.spec.definition(spec.schema, spec.table, None)
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(definition.ddl().encode())
                kept.append(lines[spec.line - 1].removeprefix("  - "))
            except psycopg.Error:
                continue
    project.declare("\n".join(kept), table="public.g", file="g.yaml")
    return bool(kept)


def agreed(project: SpecProject) -> None:
    """See that the three verbs find nothing."""
    assert project.check() == []
    assert found(check(project)) == set()
    assert project.revise("again") is None


#: Each is printed in a form that is printed in another: after one pass, two, or in every command.
RESTLESS = (
    "v IN ('new', 'paid')", "v NOT IN ('new', 'paid')", "coalesce(v, 'none') IN ('new', 'paid')",
    "v = ANY (ARRAY['a', 'b']::varchar[])", "c IN ('a', 'b')", "o NOT IN ('a', 'b')", "(v IN ('a', 'b')) IS TRUE",
    "v = ANY (ARRAY['a'::varchar(5), 'b'])", "i::varchar IN ('1')", "v LIKE ANY (ARRAY['a%']::varchar[])",
)  # fmt: skip


def declared(project: SpecProject, texts: Sequence[str]) -> None:
    """Declare each text as a predicate and as a key, and one of them in statistics."""
    lines = [f"{{name: ix_{number}, keys: [i], where: {quoted(text)}}}" for number, text in enumerate(texts)]
    lines += [f"{{name: ex_{number}, keys: [{{expression: {quoted(text)}}}]}}" for number, text in enumerate(texts)]
    statistics = f"{{name: st, columns: [i], expressions: [{quoted(texts[0])}]}}"
    project.declare("\n".join(lines), statistics=statistics, table="public.g", file="g.yaml")


def test_what_is_deployed_is_what_is_declared(grammar: SpecProject) -> None:
    declared(grammar, RESTLESS)
    assert grammar.autogenerate() is not None
    grammar.upgrade()
    agreed(grammar)


@pytest.mark.slow
def test_all_that_the_grammar_has_is_what_is_declared(grammar: SpecProject) -> None:
    declared(grammar, FIXED)
    buildable(grammar)
    assert len(load_specs(grammar.specs).specs) > len(FIXED)
    grammar.build()
    agreed(grammar)


def law(project: SpecProject, lines: Sequence[str], *, by_twin: bool) -> None:
    """Deploy, and see that nothing is left to do; take it away again."""
    project.declare("\n".join(lines), table="public.g", file="g.yaml")
    if not buildable(project):
        return
    written = project.revise() if by_twin else project.autogenerate()
    assert written is not None
    project.upgrade()
    agreed(project)
    project.downgrade()
    written.unlink()


@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=specs(), by_twin=st.booleans())
def test_a_deploy_leaves_nothing_to_do(latest: SpecProject, lines: list[str], by_twin: bool) -> None:
    law(latest, lines, by_twin=by_twin)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=specs(most=20), by_twin=st.booleans())
def test_no_deploy_leaves_anything_to_do(grammar: SpecProject, lines: list[str], by_twin: bool) -> None:
    law(grammar, lines, by_twin=by_twin)


#: An index as somebody built it, a spec, and whether the two are the same.
PARAMETERS = (
    ("btree (i) WITH (fillfactor = '0x46')", "keys: [i], with: {fillfactor: 70}", True),
    ("btree (k) WITH (fillfactor = '70.0')", "keys: [k], with: {fillfactor: 70}", True),
    ("btree (b) WITH (fillfactor = 070)", "keys: [b], with: {fillfactor: 70}", True),
    ("btree (n) WITH (fillfactor = '070')", "keys: [n], with: {fillfactor: 70}", False),
    ("btree (r) WITH (fillfactor = '070')", "keys: [r], with: {fillfactor: 56}", True),
    ("btree (d) WITH (deduplicate_items = 'f')", "keys: [d], with: {deduplicate_items: false}", True),
    ("gin (a) WITH (fastupdate = 1)", "method: gin, keys: [a], with: {fastupdate: 'on'}", True),
    ("gin (va) WITH (fastupdate)", "method: gin, keys: [va], with: {fastupdate: 'yes'}", True),
    ("gin (j) WITH (fastupdate = oN)", "method: gin, keys: [j], with: {fastupdate: false}", False),
    ("gist (ir) WITH (buffering = 'AUTO')", "method: gist, keys: [ir], with: {buffering: auto}", True),
    ("gist (s gist_trgm_ops (siglen = '0x20'))",
     "method: gist, keys: [{column: s, opclass: gist_trgm_ops, opclass_parameters: {siglen: 32}}]", True),
    ("gist (v gist_trgm_ops (siglen = '32'))",
     "method: gist, keys: [{column: v, opclass: gist_trgm_ops, opclass_parameters: {siglen: 33}}]", False),
)  # fmt: skip


def test_parameters_are_the_same_by_their_values(latest: SpecProject) -> None:
    latest.run("ALTER TABLE g ADD ir int4range")
    for number, (stored, _, _) in enumerate(PARAMETERS):
        latest.run(f"CREATE INDEX ix_{number} ON g USING {stored}")
    lines = [f"{{name: ix_{number}, {declared}}}" for number, (_, declared, _) in enumerate(PARAMETERS)]
    latest.declare("\n".join(lines), table="public.g", file="g.yaml")
    different = {f"ix_{number}" for number, (_, _, same) in enumerate(PARAMETERS) if not same}
    assert names(latest.check()) == {("replace_index", name) for name in different}
    assert found(check(latest)) == {("TX302", f"public.{name}") for name in different}


def test_what_is_pulled_has_the_values_of_what_exists(latest: SpecProject) -> None:
    latest.run("CREATE INDEX ix ON g (i) WITH (fillfactor = '070', deduplicate_items = 'of')")
    pull(capture(latest.url, statements=False), latest.specs)
    (spec,) = load_specs(latest.specs).indexes
    assert spec.spec.parameters == {"fillfactor": "56", "deduplicate_items": "false"}
    agreed(latest)
