"""Leave out of a snapshot what has another statement in place of its definition, which no server printed."""

import re

from analyzer.documents.snapshot import ExtendedStatistics, FunctionDef, Index, NotExamined, ObjectDef, Snapshot
from analyzer.sql import ident
from analyzer.twin.schema.creations import called

_OWN_SCHEMAS = frozenset({"twindex_own", "twindex_scratch"})
_RESERVED = re.compile(r"pg_|information_schema\Z")
#: How what the server prints whole begins; in its place a snapshot could have any statement.
_FUNCTION = re.compile(r"CREATE OR REPLACE (?:FUNCTION|PROCEDURE) ")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX ")
_STATISTICS = re.compile(r"CREATE STATISTICS ")
_REASON = "its definition in the snapshot is a different statement"


def without_impostors(snapshot: Snapshot) -> tuple[Snapshot, tuple[NotExamined, ...], tuple[Index, ...]]:
    """Return what is left, what is not, and the indexes of that."""
    notes: list[NotExamined] = []

    def fits(item: FunctionDef | Index | ExtendedStatistics | ObjectDef) -> bool:
        if not _is_printed(item):
            notes.append(NotExamined(what=called(item), reason=_REASON))
            return False
        return True

    def elsewhere(schema: str | None, what: str) -> bool:
        if schema in _OWN_SCHEMAS:
            notes.append(NotExamined(what=what, reason="its schema name is reserved for the twin"))
        return schema not in _OWN_SCHEMAS

    lost = tuple(each for each in snapshot.indexes if not _is_printed(each))
    update = {
        "functions": tuple(
            each for each in snapshot.functions if fits(each) and elsewhere(each.schema_name, called(each))
        ),
        "indexes": tuple(each for each in snapshot.indexes if fits(each)),
        "objects": tuple(each for each in snapshot.objects if fits(each) and elsewhere(each.schema_name, called(each))),
        "extended_statistics": tuple(each for each in snapshot.extended_statistics if fits(each)),
        "relations": tuple(each for each in snapshot.relations if elsewhere(each.schema_name, called(each))),
        "types": tuple(each for each in snapshot.types if elsewhere(each.schema_name, called(each))),
    }
    return snapshot.model_copy(update=update) if notes else snapshot, tuple(notes), lost


def _is_printed(item: FunctionDef | Index | ExtendedStatistics | ObjectDef) -> bool:
    match item:
        case FunctionDef():
            return _FUNCTION.match(item.definition) is not None
        case Index():
            return _INDEX.match(item.ddl) is not None
        case ExtendedStatistics():
            return _STATISTICS.match(item.definition) is not None
        case ObjectDef():
            return _is_own_definition(item)


def _is_own_definition(item: ObjectDef) -> bool:
    """Say whether the statements create that very object, and outside PostgreSQL's own schemas."""
    first, *others = item.definition
    kind = item.kind.upper()
    if item.kind == "cast":
        begins = ("CREATE CAST (",)
    elif item.schema_name is None or item.name is None:
        return False
    elif item.kind == "rule":
        begins = (f"CREATE RULE {ident(item.name)} AS",)
    elif item.kind == "trigger":
        begins = (f"CREATE TRIGGER {ident(item.name)} INSTEAD OF ",)
    elif item.kind == "operator":
        begins = (f"CREATE OPERATOR {ident(item.schema_name)}.{item.name} (",)
    else:
        name = ident(item.schema_name, item.name)
        begins = (f"CREATE {kind} {name} ", f"CREATE {kind} {name}(", f"CREATE {kind} IF NOT EXISTS {name} ")
    more = f"ALTER {kind} {item.identity} ADD MAPPING "
    is_reserved = item.kind != "collation" and _RESERVED.match(item.schema_name or "") is not None
    # A configuration alone has more than one statement.
    is_more = not others or item.kind == "text search configuration"
    return (
        first.startswith(begins)
        and not is_reserved
        and is_more
        and all(map(str.startswith, others, [more] * len(others)))
    )
