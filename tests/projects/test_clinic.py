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

APPOINTMENT = """
table: clinic_*.appointment
indexes:
  - name: ix_appointment_patient_at
    keys: [patient_id, at]
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
def test_one_spec_of_all_clinics_is_built_in_each_and_taken_back(clinic: Project) -> None:
    before = clinic.indexes()
    directory = clinic.directory / "index_specs"
    directory.mkdir()
    (directory / "appointment.yaml").write_text(APPOINTMENT, encoding="utf-8")
    missing = clinic.twindex("check", "--allow-superuser", status=1).out
    assert missing.count("TX301 clinic_*.ix_appointment_patient_at: in each of 12 schemas") == 1
    clinic.alembic("revision", "--autogenerate", "-m", "A day of a patient")
    clinic.alembic("upgrade", "head")
    assert len(clinic.indexes()) == len(before) + 12
    clinic.twindex("check", "--allow-superuser")
    assert "No new upgrade operations detected" in clinic.alembic("check")
    clinic.alembic("downgrade", "-1")
    assert clinic.indexes() == before
