"""Definitions as a server understands them: built on the flat database of a twin, read back, rolled back."""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import psycopg
from psycopg.rows import DictRow

from analyzer.capture import indexes
from analyzer.documents.measured import ExtendedStatistics
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.errors import InputError, RejectedError, TwinLacksError
from analyzer.objects.definition import D, Definition, canonical
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef, printed_ddl
from analyzer.postgres.identifiers import with_suffix
from analyzer.postgres.lex import lex, significant
from analyzer.progress import Progress, silent
from analyzer.specs.existing import as_printed
from analyzer.sql import ident
from analyzer.twin.build import BuiltFlat, building_flat
from analyzer.twin.hypothetical.explain import single
from analyzer.twin.hypothetical.read_back import (
    BUILT_NAME,
    read_back_index,
    read_back_indexes,
    read_back_statistics,
)
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.survivor import Survivor

T = TypeVar("T")

#: Indexes built in one transaction, each of which holds locks.
_AT_ONCE = 100


@contextlib.contextmanager
def open_definitions(
    snapshot: Snapshot,
    expected: Iterable[Definition],
    *,
    wanted: PlannerChoice | None = None,
    progress: Progress = silent,
) -> Generator["Definitions"]:
    """Yield what a server makes of definitions, foremost of the expected ones, which it builds together.

    It is started when the first one has to be built; that raises CapabilityError when there is no server.
    """
    known = Printed(snapshot)
    statements = dict(_statements(each for each in expected if each not in known))
    server = Survivor(
        snapshot, building_flat, statements=statements, choice=wanted or PlannerChoice(), progress=progress
    )
    with contextlib.closing(server):
        yield Definitions(server, statements)


class Printed:
    """The indexes that the captured server has printed, and would print again: those on columns alone.

    What an expression means depends on functions, which can have changed since the index was built.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._indexes = {_anywhere(each.definition) for each in snapshot.indexes if each.valid and each.ddl}

    def __contains__(self, wanted: Definition) -> bool:
        """Say whether a definition is one of them."""
        if isinstance(wanted, StatisticsDef) or wanted.where or any(key.expression for key in wanted.keys):
            return False
        return _anywhere(wanted) in self._indexes


def _anywhere(index: IndexDef) -> IndexDef:
    """Return an index without its tablespace, since a twin has none of the names."""
    return replace(index, tablespace=None)


class Definitions:
    """What a server makes of a definition."""

    def __init__(self, server: Survivor[BuiltFlat], expected: Mapping[str, Definition] | None = None) -> None:
        self._server = server
        self._printed = Printed(server.snapshot)
        #: Built together before the first one is asked for; by the statement that creates it.
        self._expected = {ddl: each for ddl, each in (expected or {}).items() if isinstance(each, IndexDef)}
        #: By the statement that creates it.
        self._read: dict[str, DictRow] = {}
        self._known: dict[tuple[Definition, str], Definition] = {}

    @property
    def planner(self) -> str | None:
        """Return the server that was asked; None if none had to be."""
        return self._server.planner if self._server.is_built else None

    @property
    def not_examined(self) -> tuple[NotExamined, ...]:
        """Return what of the snapshot that server could not have."""
        return self._server.built.not_examined if self._server.is_built else ()

    def canonical(self, wanted: D) -> D:
        """Return the canonical form of a definition, as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects, TwinLacksError where that is for want of something.
        """
        if wanted in self._printed:
            return wanted
        key = (wanted, wanted.name)
        if key not in self._known:
            self._known[key] = canonical(wanted, self._print)
        return cast("D", self._known[key])

    def printed(self, definition: D) -> D:
        """Return the canonical form of a definition, or the definition where the server rejects it."""
        try:
            return self.canonical(definition)
        except InputError:
            return definition

    def parse_ddl(self, statements: Sequence[str]) -> tuple[IndexDef, ...]:
        """Return the canonical definitions of CREATE INDEX statements somebody wrote, under names that are free.

        Raises InputError for text that is not one, or that the server rejects.
        """
        taken = {(index.definition.schema, index.definition.name) for index in self._server.snapshot.indexes}
        found: list[IndexDef] = []
        for ddl in statements:
            unnamed, given = _unnamed(ddl)
            try:
                index = indexes.definition(self._built_index(unnamed))
            except TwinLacksError:
                raise
            except InputError as error:
                raise InputError(f"{error}; fix the statement") from None
            name, number = given or index.name, 1
            while (index.schema, name) in taken:
                number += 1
                name = with_suffix(given or index.name, f"_{number}")
            taken.add((index.schema, name))
            found.append(index.renamed(name))
        return tuple(found)

    def server_ddl(self, wanted: Definition) -> str:
        """Return pg_get_indexdef or pg_get_statisticsobjdef of a definition, under its own name."""
        if isinstance(wanted, StatisticsDef):
            return printed_ddl(self._built_statistics(wanted).definition, wanted)
        row = self._known_index(wanted)
        return str(row["ddl"]).replace(f" {row['name']} ", f" {ident(wanted.name)} ", 1)

    def _known_index(self, wanted: IndexDef) -> DictRow:
        """Return the row of an index, built with all that are expected if it is the first."""
        remaining, self._expected = iter(self._expected.items()), {}
        while together := dict(itertools.islice(remaining, _AT_ONCE)):
            self._build_together(together)
        ddl = _statement(wanted)
        if ddl not in self._read:
            self._read[ddl] = self._built_index(ddl)
        return self._read[ddl]

    def _build_together(self, together: Mapping[str, IndexDef]) -> None:
        """Build indexes at once; where the server rejects one, each is built when it is asked for."""
        self._server.hold(*together)
        with contextlib.suppress(psycopg.Error):
            rows = self._server.surviving(lambda: read_back_indexes(self._server.built.flat, tuple(together.values())))
            self._read |= zip(together, rows, strict=True)

    def _print(self, wanted: D) -> D:
        if isinstance(wanted, StatisticsDef):
            return cast("D", as_printed(wanted, self._built_statistics(wanted)))
        return cast("D", indexes.definition(self._known_index(wanted)).renamed(wanted.name))

    def _built_index(self, ddl: str) -> DictRow:
        return self._built(ddl, lambda: read_back_index(self._server.built.flat, ddl))

    def _built_statistics(self, wanted: StatisticsDef) -> ExtendedStatistics:
        return self._built(wanted.ddl(), lambda: read_back_statistics(self._server.built.flat, wanted))

    def _built(self, ddl: str, build: Callable[[], T]) -> T:
        self._server.hold(ddl)
        try:
            return self._server.surviving(build)
        except RejectedError as refusal:
            lacks = self._server.lacked(refusal.sqlstate, refusal.message)
            if lacks is None:
                raise
            raise TwinLacksError(ddl, lacks) from None


def _statements(definitions: Iterable[Definition]) -> Iterator[tuple[str, Definition]]:
    for each in definitions:
        with contextlib.suppress(InputError):  # what is no expression is reported when it is asked for
            yield _statement(each), each


def _statement(definition: Definition) -> str:
    """Write the statement that creates a definition, whatever its name, in the default tablespace."""
    wanted = _anywhere(definition) if isinstance(definition, IndexDef) else definition
    return wanted.renamed(BUILT_NAME).ddl()


def _unnamed(ddl: str) -> tuple[str, str | None]:
    """Take CONCURRENTLY and the name off a CREATE INDEX, since the name may be taken; return the name beside it."""
    tokens = significant(lex(single(ddl)))
    words = [token.word for token in tokens]
    if words[:2] != ["create", "index"] and words[:3] != ["create", "unique", "index"]:
        raise InputError(f"{ddl!r} is not a CREATE INDEX statement; specify one")
    start = words.index("index") + 1
    if "on" not in words[start:]:
        raise InputError(f"{ddl!r} names no table; write CREATE INDEX … ON table (…)")
    table = words.index("on", start)
    last = tokens[table - 1]
    given = None
    if table > start and last.word != "concurrently":
        given = last.name
    return f"{ddl[: tokens[start - 1].end]} {ddl[tokens[table].start :]}", given
