"""Read which of a server's functions and casts are immutable."""

from collections.abc import Iterable
from typing import cast

from analyzer.db import Connection
from analyzer.objects.volatility import Function, Volatility
from analyzer.sql import render


def read_volatility(connection: Connection) -> Volatility:
    """Read the functions and casts of a database, those of its extensions and users among them."""
    (row,) = connection.execute(render("twin/read_volatility")).fetchall()
    functions, casts = (cast("Iterable[list[object]]", row[name]) for name in ("functions", "casts"))
    types = cast("dict[str, str]", row["types"])
    return Volatility(
        functions=[
            Function(
                schema=str(schema),
                name=str(name),
                arguments=tuple(types[str(each)] for each in cast("list[object]", arguments)),
                returns=types[str(returns)],
                is_immutable=bool(immutable),
                defaults=cast("int", defaults),
                is_variadic=bool(variadic),
            )
            for schema, name, arguments, returns, immutable, defaults, variadic in functions
        ],
        casts=[(str(source), str(target), bool(implicit)) for source, target, implicit in casts],
    )
