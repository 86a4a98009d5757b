"""One file of `index_specs/`: what it may say of its table.

Every kind of object has a section of the file, and the model of its specs stands in SECTIONS.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from analyzer.atomic_file import replace_file
from analyzer.paths import is_there
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.fields import Strict, none_is_empty, parse_tables, schema_text, table_text
from analyzer.specs.index import IndexSpec
from analyzer.specs.statistics import StatisticsSpec

Spec = IndexSpec | StatisticsSpec

#: In the order of a file.
SECTIONS: Mapping[str, type[Spec]] = {model.section: model for model in (IndexSpec, StatisticsSpec)}


class SpecFile(Strict):
    """One file of `index_specs/`: the objects declared on one table."""

    model_config = ConfigDict(title="twindex index specs")

    table: Annotated[str, AfterValidator(table_text)] = Field(
        description='schema.table; names with capitals or spaces in double quotes: \'"Sales"."Order Items"\'. '
        "A star or a question mark in the schema, outside quotes, makes it a pattern over schemas: tenant_*.orders."
    )
    except_schemas: tuple[Annotated[str, AfterValidator(schema_text)], ...] = Field(
        default=(), description="Schemas that the pattern matches and does not mean, by name or pattern."
    )
    manage: Literal["named", "all"] = Field(
        default="named",
        description="With all, an index or a statistics object of the table that no spec names is dropped.",
    )
    indexes: Annotated[tuple[IndexSpec, ...], BeforeValidator(none_is_empty)] = ()
    statistics: Annotated[tuple[StatisticsSpec, ...], BeforeValidator(none_is_empty)] = ()

    @model_validator(mode="after")
    def _exceptions_of_a_pattern(self) -> "SpecFile":
        if self.except_schemas and self.schemas is None:
            raise ValueError(f"except_schemas is for a pattern, and {self.table} is one table; remove it")
        return self

    @property
    def schema_and_table(self) -> QualifiedName:
        """Return the table's schema and name, unquoted; a pattern in place of the schema as it is written."""
        return parse_tables(self.table)[0]

    @property
    def schemas(self) -> Schemas | None:
        """Return the schemas that a pattern stands for."""
        return parse_tables(self.table, self.except_schemas)[1]

    def section(self, name: str) -> tuple[Spec, ...]:
        """Return the specs of one section."""
        return self.indexes if name == IndexSpec.section else self.statistics


def json_schema() -> str:
    """Render the JSON Schema of a spec file, as committed in index_specs/schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SpecFile.model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schema(directory: Path) -> None:
    """Write schema.json into a directory of specs that has none."""
    path = directory / "schema.json"
    if not is_there(path):
        replace_file(path, json_schema(), mode=None)
