"""The benchmark of captures of many tables captures as many as it says."""

from benchmarks import capture_scale


def test_a_capture_of_some_tables_is_measured() -> None:
    section = capture_scale.section(tables=30)
    (target,) = section.targets
    assert target.name == "capture of 30 tables of 20 columns"
    assert target.met
    assert "| as usual |" in section.text
    assert "samples 0." in section.text
