"""A project of tenants by schema, through an async engine, adopts twindex: one spec for all tenants."""

from collections.abc import Iterator

import pytest

from tests.conftest import fresh_database
from tests.projects.clinic.clinic.models import Base
from tests.projects.history import Revision, by_sql
from tests.projects.project import Project

BEFORE = (by_sql("Shared", "CREATE SCHEMA shared", "DROP SCHEMA shared"),)
#: A step in the schema of each clinic, as its revisions go through them.
EACH = "for (name,) in op.get_bind().exec_driver_sql('SELECT schema_name FROM shared.clinic ORDER BY 1').fetchall():"


def for_each_clinic(message: str, upgrade: str, downgrade: str) -> Revision:
    bodies = [f"{EACH}\n        op.execute({sql!r}.replace('CLINIC', name))" for sql in (upgrade, downgrade)]
    return Revision(message=message, upgrade=bodies[0], downgrade=bodies[1])


AFTER = (
    by_sql(
        "The first clinics",
        "INSERT INTO shared.clinic (schema_name, title) SELECT 'clinic_' || i, 'Clinic ' || i "
        "FROM generate_series(1, 12) AS i",
        "DELETE FROM shared.clinic",
    ),
    for_each_clinic("Schemas", "CREATE SCHEMA CLINIC", "DROP SCHEMA CLINIC"),
    for_each_clinic(
        "Patients",
        "CREATE TABLE CLINIC.patient (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, "
        "born_on date, insurance varchar(20))",
        "DROP TABLE CLINIC.patient",
    ),
    for_each_clinic(
        "Appointments",
        "CREATE TABLE CLINIC.appointment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient_id bigint "
        'NOT NULL REFERENCES CLINIC.patient, user_id bigint REFERENCES shared."user", at timestamptz NOT NULL, '
        "state varchar(10) NOT NULL DEFAULT 'open')",
        "DROP TABLE CLINIC.appointment",
    ),
    for_each_clinic(
        "Find patients",
        "CREATE INDEX ix_patient_name ON CLINIC.patient (lower(name))",
        "DROP INDEX CLINIC.ix_patient_name",
    ),
)


SUPERUSER = ("--allow-superuser",)
PATIENT = """
table: clinic_*.patient
indexes:
  - name: ix_patient_name
    keys: [{expression: lower(name)}]
"""
APPOINTMENT = """
table: clinic_*.appointment
indexes:
  - name: ix_appointment_open
    keys: [at, patient_id]
    where: state IN ('open', 'waiting')
"""


@pytest.fixture(scope="module", params=["psycopg", "asyncpg"])
def clinic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Project]:
    with fresh_database(server) as url:
        project = Project("clinic", tmp_path_factory.mktemp("clinic"), url, driver=request.param)
        project.write_history(Base.metadata, before=BEFORE, after=AFTER, numbered=True)
        project.alembic("upgrade", "head")
        yield project


def test_before_twindex_has_specs_alembic_works_as_before(clinic: Project) -> None:
    assert "No new upgrade operations detected" in clinic.alembic("check")


@pytest.mark.slow
def test_one_spec_serves_all_clinics(clinic: Project) -> None:
    """A build and a change in every schema, by one step each, and the way back."""
    before = clinic.indexes()
    specs = clinic.spec("clinic.patient"), clinic.spec("clinic.appointment")
    specs[0].parent.mkdir()
    specs[0].write_text(PATIENT, encoding="utf-8")
    clean(clinic)
    specs[1].write_text(APPOINTMENT, encoding="utf-8")
    found = clinic.twindex("check", *SUPERUSER, status=1).out
    assert "TX301 clinic_*.ix_appointment_open" in found
    assert "in each of 12 schemas" in found
    clinic.alembic("check", status=255)
    clinic.alembic("revision", "--autogenerate", "-m", "Open appointments")
    assert clinic.newest_revision().count("op.build_index(") == 1
    clinic.alembic("upgrade", "head")
    clean(clinic)
    built = clinic.indexes()
    assert {*built} - {*before} == {f"clinic_{number}.ix_appointment_open" for number in range(1, 13)}

    specs[0].write_text(PATIENT.replace("(name)}", "(name)}, born_on"), encoding="utf-8")
    specs[1].write_text(APPOINTMENT.replace("_open", "_waiting"), encoding="utf-8")
    clinic.twindex("revise", "-m", "Namesakes", *SUPERUSER)
    text = clinic.newest_revision()
    assert (text.count("op.replace_index("), text.count("op.rename_index(")) == (2, 2)
    clinic.alembic("upgrade", "head")
    clean(clinic)
    after = clinic.indexes()
    clinic.alembic("downgrade", "-1")
    assert clinic.indexes() == built
    clinic.alembic("downgrade", "-1")
    assert clinic.indexes() == before
    clinic.alembic("upgrade", "head")
    assert clinic.indexes() == after


def clean(clinic: Project) -> None:
    """Hold that no door finds anything."""
    clinic.twindex("lint", "-d", clinic.url, *SUPERUSER)
    clinic.twindex("check", *SUPERUSER)
    assert "No new upgrade operations detected" in clinic.alembic("check")
