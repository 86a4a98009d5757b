"""What every model of the reference platform shares: names of constraints, types of annotations, common columns."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Integer, MetaData, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: PostgreSQL keeps names apart per schema, so the table's name is enough.
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """The root of all models."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: Integer,
        Decimal: Numeric,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class Keyed:
    """A table with a generated bigint key."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, sort_order=-1)


class Tracked:
    """A table whose rows know when they were made and last changed."""

    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=91)


class Retirable:
    """A table whose rows are switched off and marked as deleted before they ever are deleted."""

    is_active: Mapped[bool] = mapped_column(server_default=text("true"), sort_order=80)
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Restrict a text column to some values; a new value is one short revision, unlike that of an enum type."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
