"""Definitions as a server understands them: built on the flat database of a twin, read back, rolled back."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.indexes import definition
from analyzer.capture.reader import Reader
from analyzer.db import Connection, execute_one
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.postgres.lex import lex, significant
from analyzer.sql import ident, render
from analyzer.twin.hypothetical.add_indexes import rejection
from analyzer.twin.hypothetical.explain import single
from analyzer.twin.survivor import Survivor


class Definitions:
    """What the server of a twin makes of a definition."""

    def __init__(self, server: Survivor) -> None:
        self._server = server

    @property
    def _flat(self) -> Connection:
        return self._server.built.flat.captured

    def canonical(self, index: IndexDef) -> IndexDef:
        """Return the definition as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects.
        """
        return definition(self._built_flat(index.renamed("twindex_canonical").ddl())).renamed(index.name)

    def parse_ddl(self, statements: Sequence[str]) -> tuple[IndexDef, ...]:
        """Return the canonical definitions of CREATE INDEX statements somebody wrote, under names that are free.

        Raises InputError for text that is not one, or that the server rejects.
        """
        taken = {(index.definition.schema, index.definition.name) for index in self._server.snapshot.indexes}
        found: list[IndexDef] = []
        for ddl in statements:
            unnamed, given = _unnamed(ddl)
            try:
                index = definition(self._built_flat(unnamed))
            except InputError as error:
                raise InputError(f"{error}; fix the statement") from None
            name, number = given or index.name, 1
            while (index.schema, name) in taken:
                number += 1
                name = f"{(given or index.name)[:58]}_{number}"
            taken.add((index.schema, name))
            found.append(index.renamed(name))
        return tuple(found)

    def server_ddl(self, index: IndexDef) -> str:
        """Return pg_get_indexdef of a definition, under its own name."""
        ddl = str(self._built_flat(index.renamed("twindex_canonical").ddl())["ddl"])
        return ddl.replace(" twindex_canonical ", f" {ident(index.name)} ", 1)

    def _built_flat(self, ddl: str) -> DictRow:
        """Build on the flat database, read back what was built, roll back."""
        self._server.hold(ddl)
        return self._server.surviving(lambda: self._read_back(ddl))

    def _read_back(self, ddl: str) -> DictRow:
        with self._server.built.flat.building(), self._flat.transaction(force_rollback=True):
            before = self._newest_index()
            try:
                execute_one(self._flat, render("twin/statement", statement=ddl))
            except psycopg.Error as error:
                if self._flat.closed:
                    raise
                raise rejection(ddl, error) from None
            built = self._newest_index()
            if built == before:
                raise InputError(f"{ddl!r} creates no index")
            reader = Reader(connection=self._flat, major=self._server.built.major)
            search_path = reader.row("search_path")["schemas"]
            reader.fix_session()
            bind = {"relations": [built[1]], "blocked": [], "search_path": search_path}
            return next(row for row in reader.rows("indexes", bind) if row["oid"] == built[0])

    def _newest_index(self) -> tuple[int, int]:
        row = self._flat.execute(render("twin/newest_index")).fetchone()
        return (int(row["oid"]), int(row["table_oid"])) if row else (0, 0)


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
