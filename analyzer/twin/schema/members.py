"""Leave out of a snapshot what the twin's extensions have brought.

After ALTER EXTENSION … DROP, a member is the user's on the captured server; on the twin, the extension creates it.
"""

from analyzer.db import Connection
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import ident, render


def without_members(superuser: Connection, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without members of extensions; a function that is not what its extension made it stays."""
    rows = superuser.execute(render("twin/read_members")).fetchall()
    members = {(row["kind"], row["identity"]) for row in rows}
    definitions = {row["definition"] for row in rows}
    types = (each for each in snapshot.types if ("type", ident(each.schema_name, each.name)) not in members)
    return snapshot.model_copy(
        update={
            "types": tuple(types),
            "functions": tuple(each for each in snapshot.functions if each.definition not in definitions),
            "objects": tuple(each for each in snapshot.objects if (each.kind, each.identity) not in members),
        }
    )
