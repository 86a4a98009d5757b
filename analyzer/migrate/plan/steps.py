"""Turn the change of an index into a step: the statements a revision runs, with timeouts, hazards and reverse.

`Action` and `Step` are those of every kind of object; `statistics_steps` makes those of statistics.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analyzer.documents.snapshot import Index
from analyzer.migrate.hazards import Hazard, HazardCode
from analyzer.objects.index import IndexDef, Timing
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.diff import Change
from analyzer.specs.file import is_index
from analyzer.sql import render_text

#: The operations of a revision, as in `op.<verb>`.
Verb = Literal[
    "build_index", "replace_index", "drop_index_online", "rename_index", "alter_index",
    "build_unique_constraint", "replace_unique_constraint", "drop_unique_constraint",
    "create_statistics", "replace_statistics", "drop_statistics", "rename_statistics", "alter_statistics",
    "analyze_table",
]  # fmt: skip

#: A concurrent build waits for every older transaction of its database; cut short it leaves an INVALID index.
BUILD_LOCK_TIMEOUT_MS = 600_000
#: What waits for less is repeated with the next run; a long wait only queues others behind it.
SHORT_LOCK_TIMEOUT_MS = 5_000

_DROP_HAZARDS = (
    Hazard(HazardCode.LOCK, "SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it"),
    Hazard(HazardCode.INDEX_DROPPED, "queries that used the index get another plan"),
)
_PARTITIONED_DROP_HAZARDS = (
    Hazard(
        HazardCode.LOCK,
        "ACCESS EXCLUSIVE on the table and its partitions for a moment; queues reads and writes behind it",
    ),
    Hazard(HazardCode.INDEX_DROPPED, "queries that used the index get another plan"),
)
_CONSTRAINT_HAZARDS = (
    Hazard(HazardCode.LOCK, "ACCESS EXCLUSIVE on the table for a moment; queues reads and writes behind it"),
)
_SHORT_HAZARDS = (
    Hazard(HazardCode.LOCK, "SHARE UPDATE EXCLUSIVE on the index for a moment; blocks no reads or writes"),
)
_ANALYZE_HAZARDS = (
    Hazard(HazardCode.LOCK, "SHARE UPDATE EXCLUSIVE on the table; blocks no reads or writes"),
    Hazard(
        HazardCode.ANALYZE, "reads a sample of 300 rows times the largest statistics target; of every partition too"
    ),
)
_RENAME_HAZARDS = (
    *_SHORT_HAZARDS,
    Hazard(HazardCode.INDEX_RENAMED, "hints and monitoring that name the index need the new name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done to one object, in one direction."""

    verb: Verb
    #: The object by the name it has beforehand; of an ANALYZE the table.
    name: str
    #: The statement; empty for an alter, which has attributes only.
    sql: str
    lock_timeout_ms: int
    #: What it does to others while it runs and afterwards.
    hazards: tuple[Hazard, ...]
    #: The object to be there afterwards, as a server has printed it, when one has.
    definition: str | None = None
    #: Name afterwards, of a rename.
    new_name: str | None = None
    #: Statements that follow: comment and statistics targets.
    attributes: tuple[str, ...] = ()
    #: The statement that makes the index a constraint's, once it is built.
    constraint: str | None = None
    #: Settings of the building session.
    settings: tuple[tuple[str, str], ...] = ()
    #: For how long the index that it replaces stays.
    keep_old: str | None = None
    #: Whether it leaves statistics that ANALYZE of the table has to fill.
    needs_analyze: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action of a revision and the one that undoes it."""

    #: OWN when it is for several schemas.
    schema: str
    table: str
    forward: Action
    reverse: Action
    schemas: Schemas | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """An index as it is, or as it is to be."""

    index: IndexDef
    definition: str | None
    comment: str | None = None
    statistics: tuple[tuple[int, int], ...] = ()
    timing: Timing | None = None

    @property
    def constraint(self) -> str | None:
        """Return the statement that makes it a constraint's."""
        if self.timing is None:
            return None
        names = {"schema": self.index.schema, "table": self.index.table, "name": self.index.name}
        return render_text("index/add_unique_constraint", **names, index=self.index.name, timing=self.timing)


def plan_index(change: Change, index: IndexDef, *, definition: str | None = None, partitioned: bool = False) -> Step:
    """Plan the change of an index; `definition` is its pg_get_indexdef as wanted, when a server has printed it.

    On a partitioned table the statement makes the parent's index, and the executor each partition's.
    """
    wanted = _Side(
        index=index, definition=definition, comment=change.comment, statistics=change.statistics, timing=change.timing
    )
    settings = change.spec.spec.build.settings() if change.spec and is_index(change.spec) else ()
    current = change.current
    if not isinstance(current, Index) or change.kind == "create":
        forward = _build(wanted, None, settings, partitioned=partitioned)
        return _step(wanted, forward, _drop(wanted, partitioned=partitioned))
    before = _Side(
        index=current.definition,
        definition=current.ddl,
        comment=current.comment,
        statistics=current.statistics_targets,
        timing=current.unique_constraint,
    )
    match change.kind:
        case "drop":
            back = _build(before, None, settings, partitioned=partitioned)
            return _step(before, _drop(before, partitioned=partitioned), back)
        case "rename":
            return _step(wanted, _rename(before, wanted), _rename(wanted, before))
        case "alter":
            return _step(wanted, _alter(before, wanted), _alter(wanted, before))
        case _:
            back = _build(before, wanted, settings, partitioned=partitioned)
            there = _build(wanted, before, settings, partitioned=partitioned)
            if there.verb == "replace_index" and change.spec and is_index(change.spec):
                there = replace(there, keep_old=change.spec.spec.keep_old)
            return _step(wanted, there, back)


def plan_analyze(schema: str, table: str) -> Action:
    """Plan the ANALYZE of a table: of a partitioned one it fills the statistics of each partition's indexes."""
    return Action(
        verb="analyze_table",
        name=table,
        sql=render_text("statistics/analyze", schema=schema, table=table),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_ANALYZE_HAZARDS,
    )


def create_sql(index: IndexDef, *, partitioned: bool) -> str:
    """Write the statement of a build: concurrent, or ON ONLY a partitioned table, whose index others complete."""
    if not partitioned:
        return index.ddl(concurrently=True)
    return render_text(f"index/create_{index.method}", index=index, concurrently=False, if_not_exists=False, only=True)


def _step(side: _Side, forward: Action, reverse: Action) -> Step:
    return Step(schema=side.index.schema, table=side.index.table, forward=forward, reverse=reverse)


def _build(side: _Side, replaced: _Side | None, settings: tuple[tuple[str, str], ...], *, partitioned: bool) -> Action:
    return Action(
        verb=_build_verb(side, replaced),
        name=side.index.name,
        sql=create_sql(side.index, partitioned=partitioned),
        lock_timeout_ms=BUILD_LOCK_TIMEOUT_MS,
        hazards=(
            *_build_hazards(side.index, replaces=replaced is not None, partitioned=partitioned),
            *(_CONSTRAINT_HAZARDS if _of_constraint(side, replaced) else ()),
        ),
        definition=side.definition,
        attributes=tuple(_attributes(side, side.index.name)),
        constraint=side.constraint,
        settings=settings,
        needs_analyze=any(key.expression is not None for key in side.index.keys),
    )


def _of_constraint(side: _Side, replaced: _Side | None) -> bool:
    return side.timing is not None or (replaced is not None and replaced.timing is not None)


def _build_verb(side: _Side, replaced: _Side | None) -> Verb:
    if _of_constraint(side, replaced):
        return "build_unique_constraint" if replaced is None else "replace_unique_constraint"
    return "build_index" if replaced is None else "replace_index"


def _drop(side: _Side, *, partitioned: bool) -> Action:
    index = side.index
    if side.timing is not None:
        return Action(
            verb="drop_unique_constraint",
            name=index.name,
            sql=render_text("index/drop_constraint", schema=index.schema, table=index.table, name=index.name),
            lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
            hazards=(*_CONSTRAINT_HAZARDS, _DROP_HAZARDS[-1]),
        )
    return Action(
        verb="drop_index_online",
        name=index.name,
        sql=render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=not partitioned),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_PARTITIONED_DROP_HAZARDS if partitioned else _DROP_HAZARDS,
    )


def _rename(before: _Side, after: _Side) -> Action:
    old, new = before.index, after.index
    return Action(
        verb="rename_index",
        name=old.name,
        new_name=new.name,
        sql=render_text("online/rename_index", schema=old.schema, name=old.name, new_name=new.name),
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_RENAME_HAZARDS,
        attributes=tuple(_attributes(after, new.name, before)),
        needs_analyze=after.statistics != before.statistics,
    )


def _alter(before: _Side, after: _Side) -> Action:
    return Action(
        verb="alter_index",
        name=after.index.name,
        sql="",
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
        hazards=_SHORT_HAZARDS,
        attributes=tuple(_attributes(after, after.index.name, before)),
        needs_analyze=after.statistics != before.statistics,
    )


def _attributes(side: _Side, name: str, before: _Side | None = None) -> Iterator[str]:
    """Write what gives an index its comment and statistics targets, and takes away those it had before."""
    schema = side.index.schema
    if side.comment != (before.comment if before else None):
        yield render_text("index/comment", schema=schema, name=name, comment=side.comment)
    targets: Mapping[int, int] = dict(side.statistics)
    had: Mapping[int, int] = dict(before.statistics) if before else {}
    for position in sorted({*targets, *had}):
        target = targets.get(position, -1)
        if target != had.get(position, -1):
            yield render_text("index/set_statistics", schema=schema, name=name, position=position, target=target)


def _build_hazards(index: IndexDef, *, replaces: bool, partitioned: bool) -> Iterator[Hazard]:
    if partitioned:
        yield Hazard(
            HazardCode.LOCK,
            "SHARE UPDATE EXCLUSIVE on each partition in turn; awaits older transactions, blocks no writes",
        )
        yield Hazard(
            HazardCode.LOCK, "SHARE on the table alone for a moment, for this statement; queues writes behind it"
        )
        yield Hazard(HazardCode.INDEX_BUILD, "reads every partition twice, builds and attaches an index for each")
    else:
        yield Hazard(
            HazardCode.LOCK,
            "SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
        )
        yield Hazard(HazardCode.INDEX_BUILD, "reads the whole table twice")
    if index.unique:
        yield Hazard(HazardCode.UNIQUE, "fails on duplicates and leaves an INVALID index")
    if replaces:
        yield Hazard(HazardCode.INDEX_REPLACED, "both indexes need space until the swap")
    if replaces and index.unique:
        yield Hazard(
            HazardCode.ON_CONFLICT,
            "INSERT … ON CONFLICT may fail with a duplicate key or a deadlock while two unique indexes are maintained",
        )
