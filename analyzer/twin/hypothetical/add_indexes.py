"""Add indexes to an inflated twin: build them over nothing, predict their sizes, make them look that large."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError, RejectedError
from analyzer.objects.index import IndexDef
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.sql import ident, render
from analyzer.twin.build import Built
from analyzer.twin.hypothetical.explain import plan_tree
from analyzer.twin.hypothetical.parking import build_parked
from analyzer.twin.hypothetical.visibility import Visibility
from analyzer.twin.predict.from_column import Derivation
from analyzer.twin.predict.from_sample import look_up
from analyzer.twin.predict.index_size import IndexSize, predict_size
from analyzer.twin.predict.key_estimate import Learnt, with_learnt
from analyzer.twin.predict.key_statistics import current_rows
from analyzer.twin.restore.column_statistics import restore_expressions
from analyzer.twin.restore.relation_files import RelationFiles
from analyzer.twin.schema.function_bodies import NO_BODY
from analyzer.twin.server.sessions import RESTORES

#: Indexes built in one transaction. Each is slower by those of its table that are there already and not hidden yet.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinIndex:
    """An index that exists only on the twin."""

    index: IndexDef
    size: IndexSize
    #: The index itself, and its partitions' where the table is partitioned.
    oids: tuple[int, ...]
    #: As plans name them.
    names: frozenset[str]
    #: Whether the sample of its table's rows told of it.
    sampled: bool = False
    #: Whether nothing told what values some of its expressions have.
    guessed: bool = False

    def __hash__(self) -> int:
        """Hash by what no other index has: configurations are looked up by the ten thousand."""
        return hash(self.oids)

    @property
    def size_bytes(self) -> int:
        """Return the predicted size."""
        return self.size.pages * BLOCK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The predicted properties of an added index, or of one leaf of it."""

    names: Mapping[str, str]
    size: IndexSize
    learnt: Learnt


@dataclass(slots=True, kw_only=True)
class Addition:
    """Adds some indexes to a twin's inflated database."""

    built: Built
    snapshot: Snapshot
    visibility: Visibility
    rejected: dict[IndexDef, InputError] = field(default_factory=dict[IndexDef, InputError])
    _derivation: Derivation = field(init=False)

    def __post_init__(self) -> None:
        """Derive each expression once for all indexes that are added together."""
        self._derivation = Derivation(connection=self._captured, snapshot=self.snapshot)

    @property
    def _captured(self) -> Connection:
        return self.built.inflated.captured

    @property
    def _superuser(self) -> Connection:
        return self.built.inflated.superuser

    def run(self, indexes: Sequence[IndexDef]) -> tuple[TwinIndex, ...]:
        """Build the indexes that the server accepts, hidden; `rejected` has the reasons for the others."""
        trees: dict[IndexDef, list[DictRow]] = {}
        by_table = sorted(indexes, key=_table)
        for start in range(0, len(by_table), _AT_ONCE):
            trees |= self._build(by_table[start : start + _AT_ONCE])
        self._superuser.execute(render("twin/checkpoint"))
        files = RelationFiles(self._superuser, self.built.storage)
        added = tuple(self._sized(index, trees[index], files) for index in dict.fromkeys(indexes) if index in trees)
        files.finish()
        return added

    def _build(self, indexes: Sequence[IndexDef]) -> dict[IndexDef, list[DictRow]]:
        built: list[IndexDef] = []
        for index, error in build_parked(self.built.inflated, indexes):
            if error is None:
                built.append(index)
            else:
                self.rejected[index] = rejection(index.ddl(), error)
        trees = read_trees(self._superuser, [ident(index.schema, index.name) for index in built])
        self.visibility.add({row["oid"]: row["table_oid"] for tree in trees for row in tree})
        return dict(zip(built, trees, strict=True))

    def _sized(self, index: IndexDef, tree: Sequence[Mapping[str, Any]], files: RelationFiles) -> TwinIndex:
        parts = tuple(self._parts(index, tree, files))
        query = render("twin/restore_relation_statistics", pg=self.built.major)
        restoring = self._captured if self.built.major >= RESTORES else self._superuser
        with restoring.pipeline():
            for part in parts:
                sizes = {"pages": part.size.pages, "tuples": part.size.tuples, "all_visible_pages": 0}
                restoring.execute(query, {**part.names, **sizes})
        for part in parts:
            restore_expressions(self.built.inflated, part.names["schema_name"], part.names["name"], part.learnt)
        total = IndexSize(
            pages=sum(part.size.pages for part in parts),
            tuples=sum(part.size.tuples for part in parts),
            height=max((part.size.height for part in parts), default=0),
        )
        return TwinIndex(
            index=index,
            size=total,
            oids=tuple(int(row["oid"]) for row in tree),
            names=frozenset(str(row["name"]) for row in tree),
            sampled=any(part.learnt.sampled for part in parts),
            guessed=any(part.learnt.guessed for part in parts),
        )

    def _parts(self, index: IndexDef, tree: Sequence[Mapping[str, Any]], files: RelationFiles) -> Iterator[_Part]:
        for row in tree:
            if row["partitioned"]:
                continue
            part = IndexDef(
                schema=row["table_schema"], table=row["table_name"], name=row["name"], method=index.method,
                keys=index.keys, include=index.include, where=index.where, unique=index.unique,
                parameters=index.parameters,
            )  # fmt: skip
            learnt = look_up(self._captured, self.snapshot, part)
            if not learnt.sampled:
                learnt = self._derivation.learn(part)
            selectivity = self._selectivity(part) if learnt.selectivity is None else learnt.selectivity
            if selectivity is None:
                learnt, selectivity = replace(learnt, guessed=True), 1.0
            known = with_learnt(part, self.snapshot, learnt.expressions)
            size = learnt.size or predict_size(*known, selectivity=selectivity)
            relation = self.snapshot.relation(part.schema, part.table)
            heap_blocks = ((relation.size_bytes or 0) if relation else 0) // BLOCK_BYTES
            files.write_index(row, index.method, size, heap_blocks=heap_blocks)
            names = {"schema_name": row["schema_name"], "name": row["name"]}
            yield _Part(names=names, size=size, learnt=learnt)

    def _selectivity(self, index: IndexDef) -> float | None:
        """Ask the planner for the fraction of rows in a partial index; None if it would run a function without body."""
        relation = self.snapshot.relation(index.schema, index.table)
        rows = current_rows(relation) if relation else 0.0
        if index.where is None or not rows:
            return 1.0
        try:
            row = self._captured.execute(render("twin/predicate_rows", index=index)).fetchone()
        except psycopg.Error as error:
            if error.sqlstate != NO_BODY:
                raise
            return None
        return min(1.0, float(plan_tree(row)["Plan Rows"]) / rows)


def read_trees(connection: Connection, names: Sequence[str]) -> list[list[DictRow]]:
    """Read, for each index, itself and its leaves where its table is partitioned; nothing for one that is not there."""
    trees = [list[DictRow]() for _ in names]
    for row in connection.execute(render("twin/read_index_tree"), {"indexes": list(names)}).fetchall():
        trees[int(row["root"]) - 1].append(row)
    return trees


def rejection(statement: str, error: psycopg.Error) -> RejectedError:
    """Return the server's reason to reject a statement."""
    message = error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    return RejectedError(statement=statement, sqlstate=error.sqlstate or "", message=message, detail=detail)


def _table(index: IndexDef) -> tuple[str, str]:
    return index.schema, index.table
