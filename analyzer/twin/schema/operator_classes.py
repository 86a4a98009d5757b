"""Read a server's operators and operator classes."""

from collections.abc import Iterable
from typing import cast

from analyzer.db import Connection
from analyzer.objects.operator_classes import Membership, Operator, OperatorClass, OperatorClasses, Purpose, TypeFacts
from analyzer.sql import render

#: Rows of the four lists that read_operator_classes gives.
Rows = Iterable[list[object]]


def read_operator_classes(connection: Connection) -> OperatorClasses:
    """Read the operators and operator classes of a database, those of its extensions and users among them."""
    (row,) = connection.execute(render("twin/read_operator_classes")).fetchall()
    return operator_classes({name: cast("Rows", rows) for name, rows in row.items()})


def operator_classes(row: dict[str, Rows]) -> OperatorClasses:
    """Make the records of what the template reads."""
    return OperatorClasses(
        types=[
            TypeFacts(
                name=str(name),
                short_name=str(short),
                kind=str(kind),
                base=_text(base),
                category=str(category),
                is_preferred=bool(preferred),
                length=cast("int", length),
                attributes=tuple(str(each) for each in cast("list[object]", attributes or ())),
            )
            for name, short, kind, base, category, preferred, length, attributes in row["types"]
        ],
        casts=[(str(source), str(target)) for source, target in row["casts"]],
        operators=[
            Operator(
                name=str(name),
                schema=str(schema),
                left=str(left),
                right=str(right),
                commutator=_text(commutator),
                families=tuple(
                    Membership(family=str(family), strategy=cast("int", strategy), purpose=cast("Purpose", purpose))
                    for family, strategy, purpose in cast("Rows", families)
                ),
            )
            for name, schema, left, right, commutator, families in row["operators"]
        ],
        classes=[
            OperatorClass(
                method=str(method),
                schema=str(schema),
                name=str(name),
                family=str(family),
                input=str(accepted),
                is_default=bool(default),
                summary=_text(summary),
            )
            for method, schema, name, family, accepted, default, summary in row["classes"]
        ],
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
