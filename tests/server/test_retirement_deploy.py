"""From a proposal to retire an index to the database without it, and back."""

from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.errors import ConflictError, InputError
from analyzer.specs.file import load_specs, set_state
from analyzer.workflows.propose import propose, write_proposals
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database
from tests.server.spec_project import SpecProject, obey

ROWS = """
INSERT INTO t SELECT i, i % 500, i % 7000, repeat('s', 90), 'v', '{}', '2026-01-01', 'c' || i
FROM generate_series(1, 20000) AS i;
CREATE INDEX ix_t_a ON t (a);
COMMENT ON INDEX ix_t_a IS 'by hand';
VACUUM ANALYZE t;
"""
WORKLOAD = "SELECT * FROM t WHERE a = $1 AND b >= $2 ORDER BY b LIMIT 10; SELECT s FROM t WHERE a = $1;"
DECLARED = """\
table: public.t
indexes:
  # asked for by the shop
  - name: ix_t_a
    keys: [a]
    comment: by hand
    why: Look-ups by a.
"""


@pytest.mark.parametrize("declared", [False, True])
def test_a_replaced_index_is_dropped_after_its_replacement_is_built(
    server: str, tmp_path: Path, *, declared: bool
) -> None:
    with fresh_database(server) as url:
        project = SpecProject(tmp_path, url, env={"options": 'options["include_object"] = lambda *_: True'})
        project.run(ROWS)
        if declared:
            (project.specs / "public.t.yaml").write_text(DECLARED)
        snapshot = capture(url, statements=False)
        found = propose(snapshot, parse_file(WORKLOAD), load_specs(project.specs))
        write_proposals(project.specs, found.advice)
        specs = {each.spec.name: each.spec for each in load_specs(project.specs).indexes}
        (new,) = (name for name in specs if name != "ix_t_a")
        old = specs["ix_t_a"]
        assert (old.state, old.change, old.replaced_by, old.comment) == ("proposed", "retire", (new,), "by hand")
        text = (project.specs / "public.t.yaml").read_text()
        assert ("# asked for by the shop" in text) == declared
        assert (old.why == "Look-ups by a.") == declared

        again = propose(snapshot, parse_file(WORKLOAD), load_specs(project.specs))
        assert not again.advice.proposals
        assert not again.advice.retirements
        assert project.revise() is None
        set_state(project.specs, ["ix_t_a"], "retired")
        with pytest.raises(ConflictError, match=f"ix_t_a is replaced by {new}, which does not exist.*approve that one"):
            project.revise()
        set_state(project.specs, [new], "approved")
        written = obey(project, twin=True)
        assert written.index("op.build_index") < written.index("op.drop_index_online")
        assert project.facts().keys() == {new}


def test_a_retirement_cannot_be_approved_by_the_word_that_keeps_an_index(tmp_path: Path) -> None:
    spec = "table: public.t\nindexes:\n  - {name: ix_t_a, keys: [a], change: retire, state: approved}\n"
    (tmp_path / "t.yaml").write_text(spec)
    with pytest.raises(InputError, match=r"t.yaml:3: .*write state: retired, or remove change to keep it"):
        load_specs(tmp_path)
