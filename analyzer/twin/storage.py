"""Reach the files of a server's relations: directly, or through the server itself where it runs in a container.

Both hand out a path whose file may be read, written and extended by whatever `files` does to it; `write` brings that
to the server. The server must not use a relation between the two, and have written its pages before (CHECKPOINT).
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from analyzer.db import Connection
from analyzer.sql import render
from analyzer.twin.files import BLOCK_BYTES

#: Pages at the start of a new file that can hold anything: metapage, root, and a level a page.
_CONTENT_BLOCKS = 64


class Storage(Protocol):
    """The files of a server's relations, named as pg_relation_filepath() does."""

    def edit(self, path: str, *, number: int | None = None) -> Path:
        """Return a file to edit in place of a relation's; with `number` the relation's file gets that name before."""
        ...

    def write(self) -> None:
        """Bring all that was edited to the server."""
        ...


def renumbered(path: str, number: int) -> str:
    """Return the path of a relation's file after its `relfilenode` changed."""
    return str(PurePosixPath(path).with_name(str(number)))


class LocalStorage:
    """Files below a data directory on this machine."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def edit(self, path: str, *, number: int | None = None) -> Path:
        """Return the very file."""
        if number is None:
            return self._data / path
        return (self._data / path).rename(self._data / renumbered(path, number))

    def write(self) -> None:
        """Do nothing: what was edited are the server's own files."""


class ServerStorage:
    """Files that only the server can reach; the connection is a superuser's.

    The start of a file is fetched into a directory of ours. One COPY … TO PROGRAM runs, as the server's own account,
    a shell script that does there what was done here.
    """

    def __init__(self, connection: Connection, directory: Path) -> None:
        self._connection = connection
        self._directory = directory
        self._script: list[str] = []
        #: By path: what the file held before.
        self._before: dict[str, bytes] = {}

    def edit(self, path: str, *, number: int | None = None) -> Path:
        """Return a sparse copy of the file as long as the original."""
        query = render("twin/read_file")
        row = self._connection.execute(query, {"path": path, "bytes": _CONTENT_BLOCKS * BLOCK_BYTES}).fetchone()
        content, length = (bytes(row["content"]), int(row["length"])) if row is not None else (b"", 0)
        if number is not None:
            moved = renumbered(path, number)
            self._script.append(f"mv '{path}' '{moved}'")
            path = moved
        copy = self._directory / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        os.truncate(copy, length)
        self._before[path] = content
        return copy

    def write(self) -> None:
        """Repeat the edits on the server."""
        for path, before in self._before.items():
            self._script += self._repeated(path, before)
        if self._script:
            self._connection.execute(render("twin/run_program", script="\n".join(["set -e", *self._script])))
        self._script, self._before = [], {}

    def _repeated(self, path: str, before: bytes) -> Iterator[str]:
        first = self._directory / path
        with first.open("rb") as file:
            after = file.read(_CONTENT_BLOCKS * BLOCK_BYTES)
        for start in range(0, len(after), BLOCK_BYTES):
            block = after[start : start + BLOCK_BYTES]
            if block != before[start : start + BLOCK_BYTES].ljust(BLOCK_BYTES, b"\0"):
                text = base64.b64encode(block).decode()
                target = f"dd of='{path}' bs={BLOCK_BYTES} seek={start // BLOCK_BYTES} conv=notrunc"
                yield f"echo {text} | base64 -d | {target} 2> /dev/null"
        for copy in (first, *first.parent.glob(f"{first.name}.*")):
            yield f"truncate -s {copy.stat().st_size} '{path.removesuffix(first.name)}{copy.name}'"
            copy.unlink()
