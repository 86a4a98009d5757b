"""Turn a change into steps: the statements a revision runs, with their timeouts, hazards and reverse."""

from dataclasses import dataclass
from typing import Literal

from analyzer.index import IndexDef
from analyzer.specs.diff import Change
from analyzer.sql import render_text

#: A concurrent build waits for every older transaction of its database; cut short it leaves an INVALID index.
BUILD_LOCK_TIMEOUT_MS = 600_000
#: A drop that waits is repeated with the next run; a long wait only queues others behind it.
DROP_LOCK_TIMEOUT_MS = 5_000

_DROP_HAZARDS = (
    "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
    "INDEX_DROPPED: queries that used the index get another plan",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement of a revision and what a DBA asks about it."""

    kind: Literal["build", "replace", "drop"]
    index: IndexDef
    sql: str
    lock_timeout_ms: int
    #: What it does to others while it runs and afterwards, `CODE: sentence`.
    hazards: tuple[str, ...]
    #: The statement that undoes it.
    reverse_sql: str
    reverse_hazards: tuple[str, ...]
    #: pg_get_indexdef of the index to be there afterwards, when a server has printed it.
    definition: str | None = None
    #: pg_get_indexdef of the index that the reverse brings back.
    reverse_definition: str | None = None
    #: Settings of the building session.
    settings: tuple[tuple[str, str], ...] = ()


def plan(change: Change, *, definition: str | None = None) -> tuple[Step, ...]:
    """Plan one change; `definition` is pg_get_indexdef of the index wanted, when a server has printed it."""
    if change.kind == "drop":
        return (_drop(change),)
    current = change.current if change.kind == "replace" else None
    step = Step(
        kind="build" if current is None else "replace",
        index=change.index,
        sql=change.index.ddl(concurrently=True),
        lock_timeout_ms=BUILD_LOCK_TIMEOUT_MS,
        hazards=_build_hazards(change.index, replaces=current is not None),
        reverse_sql=_drop_sql(change.index) if current is None else current.definition.ddl(concurrently=True),
        reverse_hazards=_DROP_HAZARDS if current is None else _build_hazards(current.definition, replaces=True),
        definition=definition,
        reverse_definition=None if current is None else current.ddl,
        settings=change.spec.spec.build.settings() if change.spec else (),
    )
    return (step,)


def _drop(change: Change) -> Step:
    return Step(
        kind="drop",
        index=change.index,
        sql=_drop_sql(change.index),
        lock_timeout_ms=DROP_LOCK_TIMEOUT_MS,
        hazards=_DROP_HAZARDS,
        reverse_sql=change.index.ddl(concurrently=True),
        reverse_hazards=_build_hazards(change.index, replaces=False),
        reverse_definition=None if change.current is None else change.current.ddl,
    )


def _drop_sql(index: IndexDef) -> str:
    return render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True)


def _build_hazards(index: IndexDef, *, replaces: bool) -> tuple[str, ...]:
    hazards = [
        "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
        "INDEX_BUILD: reads the whole table twice",
    ]
    if index.unique:
        hazards.append("UNIQUE: fails on duplicates and leaves an INVALID index")
    if replaces:
        hazards.append("INDEX_REPLACED: both indexes need space until the swap")
    return tuple(hazards)
