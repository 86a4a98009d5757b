"""The documents that commands write; `python -m analyzer.documents.schema DIRECTORY` writes their JSON schemas."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from analyzer.documents.findings import FindingsDocument
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.report import Report
from analyzer.documents.statements import StatementsDocument
from analyzer.documents.whatif import WhatifDocument

#: What a planner answered.
Answer = ProposeDocument | WhatifDocument | Report
#: What says where its facts come from and can quote statements.
Document = Answer | StatementsDocument
AnyDocument = Document | FindingsDocument

_DOCUMENTS: dict[str, type[BaseModel]] = {
    "propose": ProposeDocument,
    "whatif": WhatifDocument,
    "report": Report,
    "statements": StatementsDocument,
    "lint": FindingsDocument,
}


def render_schemas() -> dict[str, str]:
    """Render the schema of each document as the text of a file: {file name: text}."""
    return {f"{name}.json": _render(document) for name, document in _DOCUMENTS.items()}


def _render(document: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | document.model_json_schema(
        mode="serialization"
    )
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file_name, text in render_schemas().items():
        (Path(sys.argv[1]) / file_name).write_text(text, encoding="utf-8")
