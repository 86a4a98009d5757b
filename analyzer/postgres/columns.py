"""Columns: those of the system, and types that no btree sorts."""

from typing import Final

SYSTEM_COLUMNS: Final = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
#: PostgreSQL's own types without a default btree operator class, for where no server can be asked.
DOCUMENT_TYPES: Final = frozenset({"json", "xml"})
GEOMETRIC_TYPES: Final = frozenset({"point", "box", "polygon", "circle", "line", "lseg", "path"})
UNORDERED_TYPES: Final = DOCUMENT_TYPES | GEOMETRIC_TYPES
