"""The models that `--metadata MODULE:ATTRIBUTE` names."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Table

from analyzer import stdout
from analyzer.errors import InputError


def load_tables(text: str) -> tuple[tuple[Table, ...], str]:
    """Import `module:attribute`, a SQLAlchemy MetaData or a declarative base; return its tables and their schema.

    The schema is that of tables that name none.
    """
    module_name, _, attribute = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with stdout.diverted():
            found: Any = importlib.import_module(module_name)
        for name in (attribute or "metadata").split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the project's own code, and what it raises
        reason = error if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise InputError(f"--metadata {text}: {reason}; give an importable module:attribute") from None
    metadata: Any = getattr(found, "metadata", found)
    tables: Any = getattr(metadata, "tables", None)
    if not isinstance(tables, Mapping):
        raise InputError(f"--metadata {text} is no MetaData; name one, or a declarative base")
    if not tables:
        raise InputError(f"--metadata {text} has no tables; name a module that imports the models")
    return tuple(cast("Mapping[str, Table]", tables).values()), str(metadata.schema or "public")
