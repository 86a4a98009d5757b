"""What all clinics share; the tables of one clinic are made by the revisions, in its schema."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Everything here is in the schema `shared`."""

    metadata = sa.MetaData(
        schema="shared",
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
        },
    )


class Clinic(Base):
    """A tenant."""

    __tablename__ = "clinic"
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    schema_name: Mapped[str] = mapped_column(sa.String(63), unique=True)
    title: Mapped[str] = mapped_column(sa.Text)
    opened_on: Mapped[dt.date | None]


class Substance(Base):
    """What can be prescribed."""

    __tablename__ = "substance"
    __table_args__ = (sa.Index("ix_shared_substance_name_lower", sa.text("lower(name)")),)
    code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    name: Mapped[str] = mapped_column(sa.Text)
    parent_code: Mapped[str | None] = mapped_column(sa.ForeignKey("shared.substance.code"), index=True)


class User(Base):
    """A person of any clinic."""

    __tablename__ = "user"
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("shared.clinic.id"), index=True)
    email: Mapped[str] = mapped_column(sa.Text, unique=True)
    seen_at: Mapped[dt.datetime | None] = mapped_column(sa.TIMESTAMP(timezone=True), index=True)
