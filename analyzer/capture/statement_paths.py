"""Find the schemas in which the statements of each role look up names."""

from collections.abc import Iterable, Mapping, Sequence

from analyzer.capture.reader import Reader
from analyzer.postgres.identifiers import listed_names

#: As `current_schemas` has it, of whichever session.
_OWN_SCHEMA = "$user"


def read_search_paths(
    reader: Reader, roles: Iterable[int], *, setting: str, schemas: Sequence[str]
) -> Mapping[int, tuple[str, ...]]:
    """Return the search path of each role by OID, where it differs from that of the capturing session.

    `setting` is the session's search_path, `schemas` those that exist. What a session of an application sets itself is
    not known: one without a setting of its role or database is taken for one like the capturing session's.
    """
    rows = reader.rows("search_paths", {"roles": sorted(set(roles))})
    own = next((row for row in rows if row["is_own"]), None)
    if own is None:
        return {}
    here = _existing(setting, str(own["name"]), schemas)
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        # Where the capturing role has none of its own, its session began with that of the database.
        of_database = row["of_database"] if own["of_role"] is not None else None
        path = _existing(row["of_role"] or of_database or setting, str(row["name"]), schemas)
        if path != here:
            found[row["oid"]] = path
    return found


def _existing(setting: str, role: str, schemas: Sequence[str]) -> tuple[str, ...]:
    names = (role if name == _OWN_SCHEMA else name for name in listed_names(setting))
    return tuple(dict.fromkeys(name for name in names if name in schemas))
