"""Definitions as a server understands them: built on the flat database of a twin, read back, rolled back."""

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from psycopg.rows import DictRow

from analyzer.capture.indexes import definition
from analyzer.documents.measured import ExtendedStatistics
from analyzer.errors import InputError, RejectedError, TwinLacksError
from analyzer.objects.definition import D, Definition
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef, printed_ddl
from analyzer.postgres.identifiers import with_suffix
from analyzer.postgres.lex import lex, significant
from analyzer.specs.existing import as_printed
from analyzer.sql import ident
from analyzer.twin.hypothetical.explain import single
from analyzer.twin.hypothetical.read_back import BUILT_NAME, read_back_index, read_back_statistics
from analyzer.twin.survivor import Survivor

T = TypeVar("T")


class Definitions:
    """What the server of a twin makes of a definition."""

    def __init__(self, server: Survivor) -> None:
        self._server = server

    def canonical(self, wanted: D) -> D:
        """Return a definition as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects, TwinLacksError where that is for want of something.
        """
        if isinstance(wanted, StatisticsDef):
            return cast("D", as_printed(wanted, self._built_statistics(wanted)))
        return cast("D", definition(self._built_index(wanted.renamed(BUILT_NAME).ddl())).renamed(wanted.name))

    def parse_ddl(self, statements: Sequence[str]) -> tuple[IndexDef, ...]:
        """Return the canonical definitions of CREATE INDEX statements somebody wrote, under names that are free.

        Raises InputError for text that is not one, or that the server rejects.
        """
        taken = {(index.definition.schema, index.definition.name) for index in self._server.snapshot.indexes}
        found: list[IndexDef] = []
        for ddl in statements:
            unnamed, given = _unnamed(ddl)
            try:
                index = definition(self._built_index(unnamed))
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
        ddl = str(self._built_index(wanted.renamed(BUILT_NAME).ddl())["ddl"])
        return ddl.replace(f" {BUILT_NAME} ", f" {ident(wanted.name)} ", 1)

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
