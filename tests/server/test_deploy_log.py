"""What Alembic and the deploy log of an ordinary run says what happens, and no more."""

import logging

import pytest

from tests.server.spec_project import SpecProject


def test_an_ordinary_replacement_leaves_nothing_to_say(project: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    project.declare("{name: ix_a, keys: [a]}")
    project.autogenerate()
    project.upgrade()
    project.declare("{name: ix_a, keys: [a, b]}")
    project.autogenerate()
    with caplog.at_level(logging.INFO, "analyzer.migrate"):
        project.upgrade()
    assert "dropping public.ix_a_twindex_old, replaced by public.ix_a" in caplog.messages
    assert "earlier" not in caplog.text


def test_only_what_is_dropped_is_logged_as_removed(project: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    project.declare("{name: ix_a, keys: [a]}")
    project.autogenerate()
    project.upgrade()
    with caplog.at_level(logging.INFO, "alembic"):
        assert project.check() == []
        assert "removed index" not in caplog.text
        project.run("CREATE INDEX stray ON t (b)")
        assert [diff[0] for diff in project.check()] == ["remove_index"]
    removed = [message for message in caplog.messages if "removed index" in message]
    assert removed == ["Detected removed index 'stray' on 't'"]
