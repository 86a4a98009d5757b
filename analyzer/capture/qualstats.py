"""Read the statements and constants that pg_qualstats has sampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.rows import DictRow

from analyzer.capture.reader import Reader
from analyzer.db import reading
from analyzer.documents.snapshot import Extension
from analyzer.errors import CapabilityError

_MOST_EXAMPLES: Final = 5_000
_MOST_CONSTANTS: Final = 50_000
_LONGEST_TEXT: Final = 8_000
_FUNCTIONS: Final = ["pg_qualstats", "pg_qualstats_example_queries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualstats:
    """The rows of `capture/qualstats_examples` and `capture/qualstats_constants`."""

    examples: Sequence[DictRow] = ()
    constants: Sequence[DictRow] = ()


def read_qualstats(url: str, extension: Extension, *, allow_superuser: bool) -> Qualstats:
    """Read what pg_qualstats has; raises what `reading` raises, CapabilityError, psycopg.Error if it is not loaded."""
    with reading(url, application="twindex capture", allow_superuser=allow_superuser) as connection:
        reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
        if [row["name"] for row in reader.rows("qualstats_functions")] != _FUNCTIONS:
            raise CapabilityError(
                need="pg_qualstats 2.0 or newer, whose functions a superuser owns",
                found=f"version {extension.version}",
                remedy="run ALTER EXTENSION pg_qualstats UPDATE",
            )
        schema = extension.schema_name
        return Qualstats(
            examples=reader.rows(
                "qualstats_examples", {"most": _MOST_EXAMPLES, "longest": _LONGEST_TEXT}, schema=schema
            ),
            constants=reader.rows("qualstats_constants", {"most": _MOST_CONSTANTS}, schema=schema),
        )
