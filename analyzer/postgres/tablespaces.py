"""Tablespaces that every server has."""

from typing import Final

#: The tablespace of what names no other. The catalog does not name the database's own at all.
DEFAULT_TABLESPACE: Final = "pg_default"
#: The tablespace of the server's shared catalogs, which takes nothing else.
SHARED_TABLESPACE: Final = "pg_global"
