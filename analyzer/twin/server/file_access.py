"""Edit the files of a server's relations: through a process without rights, or through the server itself where it runs
in a container.

The server must not use a relation while it is edited, and have written its pages before (CHECKPOINT).
"""

import base64
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from analyzer.db import Connection
from analyzer.errors import CapabilityError
from analyzer.sql import render
from analyzer.twin.server import file_editor, relation_pages, sandbox
from analyzer.twin.server.relation_pages import BLOCK_BYTES, Edit, renumbered

#: Pages at the start of a new file that can hold anything: metapage, root, and a level a page.
_CONTENT_BLOCKS = 64


class Storage(Protocol):
    """The files of a server's relations, named as pg_relation_filepath() does."""

    def edit(self, edits: Sequence[Edit]) -> None:
        """Edit files; raises CapabilityError."""
        ...

    def close(self) -> None:
        """Give up what it takes to do that."""
        ...


class LocalStorage:
    """Files below a data directory on this machine, which an unprivileged process edits."""

    def __init__(self, spec: sandbox.Spec) -> None:
        arguments = ("-I", "-S", file_editor.__file__, sandbox.__file__, relation_pages.__file__)
        self._home = spec.directory
        self._process = subprocess.Popen(
            [sys.executable, *arguments, json.dumps(dataclasses.asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=dict(spec.environment),
            text=True,
            start_new_session=True,
        )

    def edit(self, edits: Sequence[Edit]) -> None:
        """Let the process edit, and wait for it."""
        if not edits or self._process.stdin is None or self._process.stdout is None:
            return
        try:
            self._process.stdin.write(json.dumps([dataclasses.asdict(each) for each in edits]) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if error := json.loads(answer) if answer else self._last_words():
            raise _failed(self._home, error)

    def _last_words(self) -> str:
        said = self._process.stderr.read() if self._process.stderr is not None else ""
        return (said.strip().splitlines() or ["the process that does so terminated"])[-1]

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()


class OwnStorage:
    """Files below a data directory of this very account, where no other process can be started to edit them."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def edit(self, edits: Sequence[Edit]) -> None:
        """Edit here."""
        try:
            for each in edits:
                relation_pages.edit_relation(self._directory, each)
        except (OSError, ValueError) as error:
            raise _failed(str(self._data), str(error)) from None

    def close(self) -> None:
        """Give up the directory."""
        os.close(self._directory)


def _failed(home: str, error: str) -> CapabilityError:
    return CapabilityError(
        need=f"to edit the files below {home}",
        found=error,
        remedy="free disk space, or set TMPDIR to a directory with more of it",
    )


class ServerStorage:
    """Files that only the server can reach; the connection is a superuser's.

    The start of a file is fetched into a directory of ours. One COPY … TO PROGRAM runs, as the server's own account,
    a shell script that does there what was done here.
    """

    def __init__(self, connection: Connection, directory: Path) -> None:
        self._connection = connection
        self._directory = directory

    def edit(self, edits: Sequence[Edit]) -> None:
        """Edit sparse copies, and repeat on the server what that did to them."""
        script: list[str] = []
        before: dict[str, bytes] = {}
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for edit in edits:
                before[self._fetch(edit, script)] = self._content(edit)
                relation_pages.edit_relation(descriptor, edit)
        finally:
            os.close(descriptor)
        script += self._repeated(before)
        if script:
            self._connection.execute(render("twin/run_program", script="\n".join(["set -e", *script])))

    def _fetch(self, edit: Edit, script: list[str]) -> str:
        """Note what has to be moved on the server; return the name the file has then."""
        if edit.number is None:
            return edit.path
        moved = renumbered(edit.path, edit.number)
        script.append(f"mv '{edit.path}' '{moved}'")
        return moved

    def _content(self, edit: Edit) -> bytes:
        """Make a sparse copy of a file, as long as the original; return what its start holds."""
        query = render("twin/read_file")
        values = {"path": edit.path, "bytes": _CONTENT_BLOCKS * BLOCK_BYTES}
        row = self._connection.execute(query, values).fetchone()
        content, length = (bytes(row["content"]), int(row["length"])) if row is not None else (b"", 0)
        copy = self._directory / edit.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        os.truncate(copy, length)
        return content

    def _repeated(self, contents: Mapping[str, bytes]) -> Iterator[str]:
        for path, before in contents.items():
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

    def close(self) -> None:
        """Do nothing: the directory is removed with its owner."""
